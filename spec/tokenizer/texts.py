"""Texts on which tokenizers may differ: mixed English, code, Chinese, emoji, other scripts, and noise; always the same
for one seed."""
import random

WORDS = ("the of and to in is that it was for on are as with his they be at one have this from or had by hot but some "
         "what there we can out other were all your when up use word how said an each she which do their time if will "
         "antidisestablishmentarianism HTTPServer camelCase snake_case iPhone don't we'll I'm you're they've he'd "
         "DON'T We'LL it'S ſ'ſ naïve café Ångström straße Straße GROSS ﬁne Übergröße coöperate").split()
CODE = ("static int f(void) {\n  return x->y[i] != 0x1F ? -1 : +1;\n}\n", "def f(a, *b, **c):\n\treturn {k: v for k, v in a}\n",
        "if (a&&b||!c) { /* ... */ }\r\n", "SELECT * FROM t WHERE a >= 10 AND b LIKE '%x%';\n", "</div>\n\n\n<p class=\"a\">",
        "https://example.org/a/b?c=d&e=%20#f", "{\"key\": [1, 2.50, -3e10, null, true]}", "    \t  \n \n\n  x", "//////\n/\n/ /",
        "====----____****", "λ → ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "print(f'{x:>10}')\n\n\n\n", "'''quoted'''", "a'b'c's't're've")
CHINESE = "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从，。！？；：“”（）《》、"
OTHERS = ("Привет, как дела? ЁЖИК", "こんにちは、世界。カタカナとひらがな", "안녕하세요 세계", "مرحبا بالعالم ١٢٣", "שלום עולם", "नमस्ते दुनिया १२३४",
          "สวัสดีชาวโลก", "Γειά σου Κόσμε", "Xin chào thế giới", "Hello ᾈ ǅ ʰ ª º", "e\u0301a\u0300 \u0301x !\u0301!", "ⅣⅫ½²³①", "\u0130\u0131",
          "\u200b\u200d\ufeff\u00ad", "\u00a0\u2003\u3000 \u2028\u2029\x85 x", "\x00\x01\x1f\x7f", "各3个12345６７８", "Ab ハABC ハabc ーx")
EMOJI = ("😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇨🇳", "❤️", "👍🏽", "☃", "🀄", "𝒳𝓎", "🤷🏻‍♀️")
SPACE = (" ", " ", " ", " ", "  ", "\n", "\n\n", "\t", "\r\n", "   ", " \n", "\n ", "      ", "")


def random_text(draw, length):
    kind = draw.randrange(4)
    if kind == 0:
        return "".join(chr(draw.choice((draw.randrange(128), draw.randrange(0x800), draw.randrange(0xd800),
                                        draw.randrange(0xe000, 0x110000)))) for _ in range(length))
    if kind == 1:
        return bytes(draw.randrange(256) for _ in range(length)).decode("utf-8", "replace")
    if kind == 2:
        return "".join(draw.choice("aAbB1 \n\t'.,/-_sStlrevedm😀的\u0301") for _ in range(length))
    return draw.choice("a A1.的😀\n-=e") * length


def mixed(draw):
    parts = []
    for _ in range(draw.randrange(1, 40)):
        kind = draw.randrange(12)
        if kind < 5:
            parts.append(draw.choice(WORDS))
        elif kind == 5:
            parts.append(draw.choice(CODE))
        elif kind == 6:
            parts.append("".join(draw.choice(CHINESE) for _ in range(draw.randrange(1, 30))))
        elif kind == 7:
            parts.append(draw.choice(OTHERS))
        elif kind == 8:
            parts.append(draw.choice(EMOJI))
        elif kind == 9:
            parts.append(str(draw.randrange(10 ** draw.randrange(1, 12))))
        elif kind == 10:
            parts.append(draw.choice(WORDS).upper() + draw.choice("!?.,:;)(]['\"-/\\"))
        else:
            parts.append(random_text(draw, draw.randrange(1, 30)))
        parts.append(draw.choice(SPACE))
    return "".join(parts)


def samples(seed, count):
    """Strings; a surrogate alone cannot occur."""
    draw = random.Random(seed)
    yield from ("", " ", "\n", "a", " a", *CODE, *OTHERS, *EMOJI, *WORDS)
    for number in range(count):
        yield random_text(draw, draw.randrange(1, 200)) if number % 5 == 0 else mixed(draw)
