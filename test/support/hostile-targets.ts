/** IPv4 addresses that nobody outside may reach, and one from each block's middle and end. */
const PRIVATE_V4 = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255'],
  ...['127.0.0.1', '127.0.0.2', '127.255.255.254', '169.254.0.1', '169.254.169.254', '169.254.170.2', '172.16.0.1'],
  ...['172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '192.168.255.255'],
  ...['198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
  ...['255.255.255.255', '168.63.129.16'],
];

const V6 = [
  ...['::', '::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1'],
  ...[
    '2001:db8::1',
    '2001::1',
    '2002:7f00:1::',
    '2002:a9fe:a9fe::1',
    '100::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    '::7f00:1',
  ],
];

const hex = (address: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
};
const asNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const octal = (address: string): string =>
  address
    .split('.')
    .map((part) => `0${Number(part).toString(8)}`)
    .join('.');

/** Every way those addresses can be written in a URL, and what else a stranger might try. */
export const HOSTILE_URLS = [
  ...PRIVATE_V4.flatMap((address) => [
    `https://${address}/`,
    `https://${address}:8443/`,
    `https://${asNumber(address)}/`,
    `https://0x${asNumber(address).toString(16)}/`,
    `https://${octal(address)}/`,
    `https://[::ffff:${address}]/`,
    `https://[::ffff:${hex(address)}]/`,
    `https://[64:ff9b::${hex(address)}]/`,
    `https://[2002:${hex(address)}::]/`,
    `http://${address}/latest/meta-data/`,
  ]),
  ...V6.flatMap((address) => [`https://[${address}]/`, `https://[${address}]:8443/`]),
  ...['http', 'ftp', 'file', 'gopher', 'ws', 'wss', 'data', 'javascript', 'ldap', 'unix'].map(
    (s) => `${s}://agent.example/`,
  ),
  ...[22, 25, 80, 3000, 5432, 6379, 8080, 9200, 65535].map((port) => `https://agent.example:${port}/`),
  ...[
    'https://localhost/',
    'https://localhost:8443/',
    'http://localhost/',
    'https://LOCALHOST/',
    'https://localhost./',
  ],
  ...[
    'https://user:pass@agent.example/',
    'https://user@agent.example/',
    'https://intranet/',
    'https://agent.example./',
  ],
  ...[
    'https://127.1/',
    'https://0/',
    'https://１２７.０.０.１/',
    'https://①②⑦.⓪.⓪.①/',
    'https://2130706433/',
    '',
    '//',
    'https://',
  ],
];

/** Names that lead inside, alone or beside an address that does not. */
export const HOSTILE_ANSWERS = [...PRIVATE_V4, ...V6, ...PRIVATE_V4.map((address) => `::ffff:${address}`)].flatMap(
  (address) => [[address], ['93.184.215.14', address], [address, '2606:2800:21f:cb07:6820:80da:af6b:8b2c']],
);
