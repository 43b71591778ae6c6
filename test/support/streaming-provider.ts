import { createServer } from 'node:http';
import { expressShop } from './streaming-shop.js';

// A provider as a process of its own, so that it can die while it streams.

const { GATE_URL: gateUrl = '', GATE_KEY: key = '', SHOP_PORT: port = '' } = process.env;
createServer(expressShop({ gateUrl, key })).listen(Number(port), '127.0.0.1');
