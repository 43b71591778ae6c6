# syntax=docker/dockerfile:1
# One image for api and worker (the command picks), and a target `migrate` that has the Prisma CLI.
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app
ENV NPM_CONFIG_UPDATE_NOTIFIER=false CHECKPOINT_DISABLE=1
COPY package.json package-lock.json ./

# No install script is needed in an image: the native parts ship as prebuilt files, and those that would download do not run.
FROM base AS dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund

FROM base AS runtime-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM dependencies AS build
COPY . .
RUN node tools/prepare.mjs && node tools/build.mjs

# Runs once per release, as the owner of the tables (DATABASE_OWNER_URL), before api and worker start.
FROM dependencies AS migrate
COPY prisma.config.ts ./
COPY prisma ./prisma
COPY tools ./tools
USER node
CMD ["node", "node_modules/prisma/build/index.js", "migrate", "deploy"]

FROM base AS runtime
# The second flag is SERVER_FLAGS of tools/servers/node-flags.mjs.
ENV NODE_ENV=production NODE_OPTIONS="--enable-source-maps --max-semi-space-size=64"
COPY --from=runtime-dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY LICENSE ./
USER node
EXPOSE 3000
# The api's; the worker answers on WORKER_PORT, see docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.API_PORT ?? 3000}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/apps/api/main.js"]
