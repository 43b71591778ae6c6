// Runs before anything else and on any Node, so it uses nothing that an old one does not know.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Farebox needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}
