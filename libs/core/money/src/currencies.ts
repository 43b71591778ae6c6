import { type Asset, assetId } from './asset.js';

/** ISO 4217, the active codes of money that people pay with or count in, by the decimal places of their minor unit. */
const CODES_BY_PLACES: ReadonlyMap<number, string> = new Map([
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
  [4, 'CLF UYW'],
  [
    2,
    `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
     COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
     INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
     MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
     STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
  ],
]);

const CURRENCIES: ReadonlyMap<string, Asset> = new Map(
  [...CODES_BY_PLACES].flatMap(([decimals, codes]) =>
    codes
      .split(/\s+/)
      .map((code): [string, Asset] => [code, { id: assetId(`iso4217:${code}`), symbol: code, decimals }]),
  ),
);

/**
 * The currency of an ISO 4217 code in capitals, with the exact places of its minor unit: 2 for USD, 0 for JPY, 3 for KWD.
 * Undefined for what is no currency, precious metals and test codes included.
 */
export const currency = (code: string): Asset | undefined => CURRENCIES.get(code);
