export { VerifyBooks, type Finding } from './verify-books.js';
