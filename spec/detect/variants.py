"""Every kind of detector against the ways in which people write around filters: a table of values, a table of disguises.
Each disguised text is found whole, and however it is cut in two (the probe's --everywhere)."""
import base64
import json

import oracles

# kind, what stands before the value, the value, what stands after it
VALUES = [
    ("cn_resident_id", "id ", "420106201204093214", " ok"),
    ("cn_uscc", "代码 ", "93320102WW1PPB9LTY", "。"),
    ("cn_org_code", "组织机构代码 ", "12345678-8", "。"),
    ("cn_mobile", "手机 ", "13812345679", "。"),
    ("cn_landline", "电话 ", "010-62781234", "。"),
    ("cn_bank_card", "银行卡号 ", "6222021234567890128", "。"),
    ("cn_passport", "护照号码：", "EF8629848", "。"),
    ("cn_hk_macau_permit", "港澳通行证 ", "C12345678", "。"),
    ("cn_taiwan_permit", "台胞证 ", "12345679", "。"),
    ("cn_foreigner_permit", "永久居留证 ", "USA110199030718", "。"),
    ("cn_military_id", "证件 ", "军字第1234567号", "。"),
    ("cn_plate", "车牌 ", "京A12345", "。"),
    ("cn_address", "住 ", "北京市海淀区中关村大街27号", "。"),
    ("cn_name", "姓名：", "张伟", "。"),
    ("payment_card", "card ", "6011224664071891", " ok"),
    ("iban", "to ", "LT718789312401511908", " ok"),
    ("bic", "SWIFT ", "DVVWCNAK", " ok"),
    ("aba_routing", "routing number ", "729137432", " ok"),
    ("vin", "car ", "1M8GDM9AXKP042788", " ok"),
    ("imei", "IMEI ", "869893259872792", " ok"),
    ("ean", "EAN ", "7197454443897", " ok"),
    ("email", "write to ", "jane.doe@corp-mail.de", " ok"),
    ("phone", "call ", "+49 30 901820", " ok"),
    ("gps", "GPS ", "39.9042, 116.4074", " ok"),
    ("ipv4", "host ", "93.184.216.34", " ok"),
    ("ipv4_private", "host ", "10.1.2.3", " ok"),
    ("ipv6", "host ", "2606:2800:220:1:248:1893:25c8:1946", " ok"),
    ("ipv6_private", "host ", "fe80::1:2ff:fe3a:9", " ok"),
    ("mac_address", "mac ", "4b:bf:c0:95:36:50", " ok"),
    ("us_ssn", "ssn ", "383-10-1461", " ok"),
    ("us_itin", "ITIN ", "912-70-1234", " ok"),
    ("us_npi", "NPI ", "1234567893", " ok"),
    ("uk_nhs", "NHS ", "943 476 5919", " ok"),
    ("uk_nino", "no ", "EP945271B", " ok"),
    ("in_aadhaar", "Aadhaar ", "996419140875", " ok"),
    ("in_pan", "PAN ", "XIQGF6326B", " ok"),
    ("in_gstin", "tax ", "32OGZGZ7952P6ZW", " ok"),
    ("sg_nric", "no ", "S1234567D", " ok"),
    ("kr_rrn", "주민등록번호 ", "690401-2522214", " ok"),
    ("ca_sin", "SIN ", "915385348", " ok"),
    ("au_tfn", "TFN: ", "208382118", " ok"),
    ("au_abn", "ABN ", "58015852557", " ok"),
    ("au_medicare", "Medicare ", "2123 45670 1", " ok"),
    ("es_nif", "DNI ", "86570158K", " ok"),
    ("es_nie", "NIE ", "Z1538568B", " ok"),
    ("it_cf", "cf ", "VRDGPP87C24H501Q", " ok"),
    ("de_steuer_id", "Steuer-ID ", "61594382784", " ok"),
    ("fr_nir", "nir ", "288116908850370", " ok"),
    ("br_cpf", "CPF ", "41512753475", " ok"),
    ("br_cnpj", "CNPJ ", "83287799000176", " ok"),
    ("pl_pesel", "PESEL ", "95012316579", " ok"),
    ("jp_my_number", "マイナンバー ", "123456789018", " ok"),
    ("hk_id", "HKID ", "E7319790", " ok"),
    ("tw_id", "id ", "Q205064608", " ok"),
    ("btc_address", "to ", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", " ok"),
    ("eth_address", "to ", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", " ok"),
    ("seed_phrase", "words: ", "legal winner thank year wave sausage worth useful legal winner thank yellow", "."),
    ("url_credentials", "see ", "postgres://app:s3cr3tpw@db.internal.corp/x", " ok"),
    ("private_key", "key ", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3xfn\n-----END RSA PRIVATE KEY-----", " ok"),
    ("jwt", "bearer ", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.sig_nature-1xyzABC", " ok"),
    ("gateway_key", "key ", "gy-k3Jd8fLq0ZxV7bN2mTs5", " ok"),
    ("secret_token", "key ", "AKIAZ7Q3NFKD2XWL5TPR", " ok"),
    ("secret_assignment", "", "api_key: 'zX9kQ2mW7pL4vB8nR3tY'", " ok"),
]


def between(mark):
    return lambda value: mark.join(value)


def shifted(zero):
    return lambda value: "".join(chr(zero + int(c)) if c in "0123456789" else c for c in value)


def wide(value):
    return "".join("\u3000" if c == " " else chr(ord(c) + 0xfee0) if "!" <= c <= "~" else c for c in value)


def escaped(form):
    return lambda value: "".join("".join(form % unit for unit in units(c)) for c in value)


def units(char):
    data = char.encode("utf-16-be")
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]


DISGUISES = {
    "plain": lambda v: v,
    "full width": wide,
    "zero-width spaces": between("\u200b"),
    "zero-width joiners": between("\u200d"),
    "word joiners": between("\u2060"),
    "soft hyphens": between("\u00ad"),
    "byte order marks": between("\ufeff"),
    "direction marks": between("\u200e"),
    "variation selectors": between("\ufe0f"),
    "JSON escapes": escaped("\\u%04x"),
    "JSON escapes in capitals": escaped("\\u%04X"),
    "percent signs": lambda v: "".join("%%%02X" % b for b in v.encode()),
    "small percent signs": lambda v: "".join("%%%02x" % b for b in v.encode()),
    "Arabic digits": shifted(0x660),
    "Persian digits": shifted(0x6f0),
    "Devanagari digits": shifted(0x966),
    "Thai digits": shifted(0xe50),
    "bold digits": shifted(0x1d7ce),
    "monospace digits": shifted(0x1d7f6),
    "Bengali digits": shifted(0x9e6),
    "Khmer digits": shifted(0x17e0),
    "wide digits": shifted(0xff10),
    "wide and invisible": lambda v: "\u200b".join(wide(v)),
    "tag characters": between("\U000e0061"),
    "zero bytes": between("\0"),
    "keycaps": lambda v: "".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in v),
    "bold letters": lambda v: "".join(bold(c) for c in v),
}
# What of a value may be written in other ways, by kind: (kind, before, other ways, after)
OTHERS = [
    ("payment_card", "card ", ["6011 2246 6407 1891", "6011-2246-6407-1891", "6011.2246.6407.1891", "6011/2246/6407/1891",
                               "6011\u00a02246\u00a06407\u00a01891", "6011\u20092246\u20096407\u20091891",
                               "6011\u30002246\u30006407\u30001891", "6011\u20132246\u20136407\u20131891",
                               "6011\u20112246\u20116407\u20111891", "6 0 1 1 2 2 4 6 6 4 0 7 1 8 9 1"], " ok"),
    ("cn_resident_id", "id ", ["420106 20120409 3214", "420106-20120409-3214", "4201 0620 1204 0932 14",
                               "420106\u201120120409\u20113214"], " ok"),
    ("cn_mobile", "手机", ["138 1234 5679", "138-1234-5679", "+86 138 1234 5679", "0086-13812345679", "（+86）13812345679"], "。"),
    ("iban", "to ", ["LT71 8789 3124 0151 1908", "lt718789312401511908", "lt71 8789 3124 0151 1908", "Lt71 8789 3124 0151 1908"], " ok"),
    ("email", "write to ", ["JANE.DOE@CORP-MAIL.DE", "Jane.Doe@Corp-Mail.De", "jane.doe\uff20corp-mail.de",
                            "jane.doe\ufe6bcorp-mail.de", "mailto:jane.doe%40corp-mail.de"], " ok"),
    ("mac_address", "mac ", ["4B:BF:C0:95:36:50", "4b-bf-c0-95-36-50"], " ok"),
    ("uk_nino", "NI number ", ["EP 94 52 71 B", "ep945271b", "Ep945271b"], " ok"),
    ("cn_uscc", "代码 ", ["93320102ww1ppb9lty", "93320102Ww1PPb9LTY"], "。"),
    ("in_gstin", "tax ", ["32ogzgz7952p6zw"], " ok"),
    ("it_cf", "cf ", ["vrdgpp87c24h501q"], " ok"),
    ("us_ssn", "ssn ", ["383 10 1461", "383101461"], " ok"),
    ("es_nie", "NIE ", ["z1538568b", "Z-1538568-B"], " ok"),
    ("btc_address", "to ", ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"], " ok"),
    ("eth_address", "to ", ["0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "0X5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED"], " ok"),
    ("seed_phrase", "words: ", ["LEGAL WINNER THANK YEAR WAVE SAUSAGE WORTH USEFUL LEGAL WINNER THANK YELLOW",
                               "Legal, Winner, Thank, Year, Wave, Sausage, Worth, Useful, Legal, Winner, Thank, Yellow"], "."),
    ("keyword", "on ", ["bluebird", "BlueBird", "BLUEBIRD", "\uff22\uff2c\uff35\uff25bird", "blue\u200bbird", "blue\u00adbird",
                        "\\u0062luebird", "%62luebird", "\u24d1\u24db\u24e4\u24d4\u24d1\u24d8\u24e1\u24d3",
                        "\U0001d41b\U0001d425\U0001d42e\U0001d41e\U0001d41b\U0001d422\U0001d42b\U0001d41d"], " now"),
    ("keyword", "при ", ["секрет", "СЕКРЕТ", "Секрет"], " и"),
    ("keyword", "la ", ["\u0219tire", "\u0218TIRE", "\u0218tire"], " e"),
    ("keyword", "το ", ["απόρρητος", "ΑΠΌΡΡΗΤΟΣ", "ΑΠΌΡΡΗΤΟσ"], " και"),
    ("keyword", "der ", ["schlo\u00df", "SCHLO\u1e9e"], " da"),
    ("keyword", "是", ["机密", "机\u200b密", "\\u673a\\u5bc6"], "文件"),
]
WORDS = "bluebird,секрет,\u0219tire,απόρρητος,schlo\u00df,机密"
# What is meant to be no finding, so that nobody thinks it is: docs/detection.md says so.
BEYOND = ["6011\n2246\n6407\n1891", "6011 | 2246 | 6407 | 1891", "\u2076\u2070\u00b9\u00b9", "六〇一一二二四六六四〇七一八九一",
          "&#54;&#48;&#49;&#49;2246 6407 1891"]


def bold(char):
    if char.isascii() and char.isalpha():
        return chr(0x1d400 + ord(char) - (65 if char.isupper() else 71))
    return char


WHOLE = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 for addresses": lambda t: base64.urlsafe_b64encode(t.encode()).decode().rstrip("="),
}


def texts():
    for kind, before, value, after in VALUES:
        for name, disguise in DISGUISES.items():
            yield kind, name, before + disguise(value) + after
        for name, disguise in WHOLE.items():
            yield kind, name, "see " + disguise(before + value + after) + " ok"
    for kind, before, ways, after in OTHERS:
        for way in ways:
            yield kind, "another way", before + way + after


def check(probe, kinds):
    rows = list(texts())
    found = oracles.run_probe(probe, [text for _, _, text in rows], "--kinds", "all", "--everywhere", "--list", WORDS)
    differ = [f"{kind}, {name}: {text}: {list_[0]}" for (kind, name, text), list_ in zip(rows, found)
              if list_ and isinstance(list_[0], str)]
    missed = [f"{kind}, {name}: {text}" for (kind, name, text), list_ in zip(rows, found)
              if not list_ or kind not in [f["kind"] for f in list_ if isinstance(f, dict)]]
    missed += [kind + " is not in the table" for kind in sorted(set(kinds) - {kind for kind, _, _ in rows})]
    print(f"disguises: {len(rows) - len(missed)} of {len(rows)} found whole and however they are cut")
    print("\n".join(f"  {line}" for line in (differ + missed)[:20]))
    seen = oracles.run_probe(probe, BEYOND, "--kinds", "all")
    wrong = [f"{text}: {list_}" for text, list_ in zip(BEYOND, seen) if list_]
    print("\n".join(f"  found, though the guide says it is not: {line}" for line in wrong))
    return not differ and not missed and not wrong
