// A provider behind Farebox's paywall, in both ways it can stand: on Express, and on a bare Node server. A process of its own:
// its settings are environment variables.
import { createServer } from 'node:http';
import { env } from 'node:process';
import { paywall } from '@farebox/paywall/express';
import express from 'express';

const { KIND, PORT = '', GATE_URL = '', KEY = '' } = env;
const ON = [Number(PORT), '127.0.0.1'] as const;

const priced = paywall({ gateUrl: GATE_URL, key: KEY })({
  meter: 'api.calls',
  description: 'One greeting',
  mimeType: 'application/json',
});

if (KIND === 'express') {
  const app = express();
  app.get('/hello', priced, (_request, response) => {
    response.json({ hello: 'agent' });
  });
  app.listen(...ON);
} else {
  createServer((request, response) => {
    void priced(request, response, () => {
      response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify({ hello: 'agent' }));
    });
  }).listen(...ON);
}

// Node ends by a signal without writing the profile it was asked for.
process.on('SIGTERM', () => process.exit(0));
