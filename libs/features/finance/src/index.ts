export { VerifyBooks } from './verify-books.js';
