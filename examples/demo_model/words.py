"""Made-up nouns and names: what a small model needs to learn copying instead of a closed list of topics."""
from topics import CATEGORIES, TRAINING_TOPICS

_TOPICS_JA = tuple(topic.ja for topic in TRAINING_TOPICS)
_WORDS_EN = tuple(sorted({word for topic in TRAINING_TOPICS for word in (topic.en + " " + topic.fact_en).split() if len(word) > 3 and word.isalpha()} |
                         {word for c in CATEGORIES.values() for clause in c.reasons_en + c.tips_en for word in clause.split() if len(word) > 3}))

_MORAE = ("アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワガギグゲゴザジズゼゾダデドバビブベボパピプペポ")
_WIDE = ("キャ", "キュ", "キョ", "シャ", "シュ", "ショ", "チャ", "チュ", "チョ", "リャ", "リュ", "ファ", "フィ", "フェ", "ティ", "ヴィ", "ジェ", "ニャ", "ヒョ", "ピョ")
_HIRAGANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわがぎぐげござじずぜぞだでどばびぶべぼ"
_KANJI = ("一二三四五六七八九十百千万円年月火水木金土日曜上下左右中大小目耳口手足人子女男先生赤青白黒山川空海天気雨雪風雲花草虫犬猫鳥魚馬牛森林竹田畑町村市国道駅車船"
          "家門戸室店場所学校文字本紙書読話語言歌音楽絵画工作品物体力声心思考知教育会社員医者友親兄弟姉妹父母朝昼夜夕春夏秋冬東西南北内外前後間近遠高低長短多少新古明暗"
          "強弱早遅重軽太細丸角形色光線点数計算式図表記録番号電話機械鉄銀銅石岩砂氷湯茶米麦豆肉野菜果実種葉根枝塩糖油酒皿箱袋糸布服靴帽傘鏡鍵窓壁床屋根庭橋坂港湖池"
          "島谷岸波星陽宇宙地球世界歩走泳飛乗降開閉始終動止送受取持待使働休遊笑泣怒喜悲愛恋夢旅祭神仏寺宮城王将軍武士剣弓矢旗鼓笛琴舞踊劇幕紅緑紫黄茜藍翠瑠璃硝灯"
          "蛍蝶蜂蟻亀鶴鷹鯨狐狸熊鹿猿龍鳳凰桜梅松杉柳菊蘭蓮苔霧霞露霜雷虹嵐渦泡炎煙灰墨筆硯巻簾畳襖縁側蔵倉棚籠桶壺鉢椀匙鍋釜焼煮蒸炊揚漬干餅飴餡酢味噌醤芥椒")
_STARTS = ("b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "qu", "r", "s", "sh", "sk", "sn", "st", "t",
           "tr", "v", "w", "y", "z", "th", "ch")
_MIDDLES = ("a", "e", "i", "o", "u", "ai", "ee", "oo", "ou", "ia", "ea")
_ENDS = ("", "", "", "n", "r", "l", "m", "s", "t", "k", "x", "nd", "rt", "ck", "lm", "sh", "ff", "mp", "ng", "th")
_SURNAMES = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田", "山田", "佐々木", "山口", "松本", "井上", "木村", "清水",
             "斎藤", "森", "池田", "橋本", "石川", "前田", "藤田", "岡田", "長谷川", "村上", "近藤", "遠藤", "青木", "坂本", "西村", "太田", "三浦", "中島")
_GIVEN = ("ハルト", "ユイ", "ソウタ", "サクラ", "アオイ", "レン", "ミナ", "ケンジ", "ナオ", "リク", "カナ", "ユウキ", "はな", "ひなた", "みお", "けん", "さとし", "まり")
_NAMES_EN = ("Alex", "Sam", "Emma", "Liam", "Olivia", "Noah", "Mia", "Lucas", "Anna", "Leo", "Maria", "David", "Sara", "Tom", "Nina", "Ben", "Julia", "Max",
             "Kate", "John", "Lily", "Peter", "Rosa", "Oscar", "Ivy", "Hugo", "Ken", "Yuki", "Hana", "Aiko")


# Every kanji of the first level of JIS X 0208, most of them rare: they stay split over several tokens.
_ALL_KANJI = "".join(bytes((0xA0 + row, 0xA0 + cell)).decode("euc_jp", "ignore") for row in range(16, 48) for cell in range(1, 95))


def pick(rng, options):
    return options[int(rng.random() * len(options))]


def katakana(rng, least=2, most=6):
    word = ""
    for _ in range(least + int(rng.random() * (most - least + 1))):
        draw = rng.random()
        if word and word[-1] not in "ーンッ" and draw < 0.22:
            word += "ー" if draw < 0.10 else "ン"
        elif draw > 0.88:
            word += pick(rng, _WIDE)
        else:
            word += ("ッ" if word and word[-1] not in "ーンッ" and rng.random() < 0.06 else "") + pick(rng, _MORAE)
    return word


def _latin(rng, least=1, most=3):
    return "".join(pick(rng, _STARTS) + pick(rng, _MIDDLES) + pick(rng, _ENDS) for _ in range(least + int(rng.random() * (most - least + 1))))


def _kanji(rng, count):
    return "".join(pick(rng, _KANJI if rng.random() < 0.5 else _ALL_KANJI) for _ in range(count))


def _spliced(rng, words):
    """The head of one word on the tail of another."""
    head, tail = pick(rng, words), pick(rng, words)
    return head[:(len(head) + 1) // 2] + tail[len(tail) // 2:]


def _noun_ja(rng):
    draw = rng.random()
    if draw < 0.40:
        return katakana(rng)
    if draw < 0.55:
        return _spliced(rng, _TOPICS_JA)
    if draw < 0.75:
        return _kanji(rng, 2 + (rng.random() < 0.3))
    if draw < 0.85:
        return "".join(pick(rng, _HIRAGANA) for _ in range(3 + int(rng.random() * 3)))
    if draw < 0.90:
        return _kanji(rng, 1) + pick(rng, "きりみえけげれしせい") + _kanji(rng, 1)
    if draw < 0.95:
        return katakana(rng, 2, 4) + _kanji(rng, 1)
    return _latin(rng, 2, 3).capitalize()


def _noun_en(rng):
    kind, draw = rng.random(), rng.random()
    if kind < 0.25:
        word = _spliced(rng, _WORDS_EN)
    elif kind < 0.45:
        word = pick(rng, _WORDS_EN)
    else:
        word = _latin(rng, 1, 3) if kind < 0.9 else _latin(rng, 2, 3).capitalize()
    if draw < 0.15:
        return (pick(rng, _WORDS_EN) if rng.random() < 0.5 else _latin(rng, 1, 2)) + " " + word
    return word + "s" if draw < 0.35 and word[-1] not in "sxh" else word


def made_up_noun(rng, lang):
    return _noun_ja(rng) if lang == "ja" else _noun_en(rng)


def person(rng, lang):
    """A name, half of the time an invented one."""
    if lang == "en":
        return _latin(rng, 1, 3).capitalize() if rng.random() < 0.5 else pick(rng, _NAMES_EN)
    draw = rng.random()
    if draw < 0.5:
        return katakana(rng, 2, 4)
    return pick(rng, _SURNAMES) if draw < 0.8 else pick(rng, _GIVEN)
