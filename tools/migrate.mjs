import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { prisma } from './prisma.mjs';

export async function migrate(ownerUrl) {
  await prisma(['migrate', 'deploy'], { DATABASE_OWNER_URL: ownerUrl });
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const ownerUrl = process.env.DATABASE_OWNER_URL;
  if (ownerUrl === undefined || ownerUrl === '') {
    console.error('Set DATABASE_OWNER_URL to the database to migrate, as its owner: postgresql://owner@host:5432/name');
    process.exitCode = 1;
  } else {
    migrate(ownerUrl).then(
      () => console.log('The database is up to date.'),
      (error) => {
        console.error(error.message);
        process.exitCode = 1;
      },
    );
  }
}
