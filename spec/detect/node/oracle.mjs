// Reads [name, value] pairs, one JSON list a line; answers true or false for each.
import readline from "node:readline";
import { stdnum } from "stdnum";
import validator from "validator";

const judge = {
  ric: v => stdnum.CN.ric.validate(v).isValid,
  uscc: v => stdnum.CN.uscc.validate(v).isValid,
  card: v => validator.isCreditCard(v),
  iban: v => validator.isIBAN(v),
  bic: v => validator.isBIC(v),
  aba: v => validator.isAbaRouting(v),
  imei: v => validator.isIMEI(v),
  ean: v => validator.isEAN(v),
  passport_cn: v => validator.isPassportNumber(v, "CN"),
  ssn: v => stdnum.US.ssn.validate(v).isValid,
  nino: v => stdnum.GB.nino.validate(v).isValid,
  aadhaar: v => stdnum.IN.aadhaar.validate(v).isValid,
  pan: v => stdnum.IN.pan.validate(v).isValid,
  gstin: v => stdnum.IN.gstin.validate(v).isValid,
  rrn: v => stdnum.KR.rrn.validate(v).isValid,
  sin: v => stdnum.CA.sin.validate(v).isValid,
  tfn: v => stdnum.AU.tfn.validate(v).isValid,
  abn: v => stdnum.AU.abn.validate(v).isValid,
  dni: v => stdnum.ES.dni.validate(v).isValid,
  nie: v => stdnum.ES.nie.validate(v).isValid,
  cf: v => stdnum.IT.codicefiscale.validate(v).isValid,
  idnr: v => stdnum.DE.idnr.validate(v).isValid,
  nir: v => stdnum.FR.nir.validate(v).isValid,
  cpf: v => stdnum.BR.cpf.validate(v).isValid,
  cnpj: v => stdnum.BR.cnpj.validate(v).isValid,
  pesel: v => stdnum.PL.pesel.validate(v).isValid,
  hkid: v => validator.isIdentityCard(v, "zh-HK"),
  tw: v => validator.isIdentityCard(v, "zh-TW"),
  email: v => validator.isEmail(v),
  ipv4: v => validator.isIP(v, 4),
  mac: v => validator.isMACAddress(v, { no_separators: false }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const answers = JSON.parse(line).map(([name, value]) => judge[name](value));
  console.log(JSON.stringify(answers));
}
