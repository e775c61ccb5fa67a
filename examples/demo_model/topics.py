"""What the demo model can talk about: 13 categories of 18 topics, in Japanese and English.

One topic a line: Japanese name | English name | a clause about it in Japanese | the same kind of clause in English.
Japanese clauses end in a plain verb or an i-adjective, English ones start with their own subject: every frame of every voice
can carry them. The last two topics of each category are held out: no training conversation mentions them.
"""
from collections import namedtuple

Topic = namedtuple("Topic", "ja en fact_ja fact_en category held_out")
# do, past and want carry their particle in Japanese and follow "to" in English.
Category = namedtuple("Category", "key ja en do_ja past_ja want_ja do_en past_en reasons_ja reasons_en tips_ja tips_en topics")

HELD_OUT_PER_CATEGORY = 2

_SOURCE = """
# food | 食べ物 | foods | を食べる | を食べた | を食べたい | eat | ate
+ いつ食べてもほっとする | 家族や友だちと囲める | お店ごとに味が違う | 食べると力がわいてくる | 作る時間も楽しい | 匂いだけでおなかがすく
+ everyone at the table smiles | each shop has its own taste | the smell alone makes you hungry | making a meal is half the fun | a good meal gives you energy | there is one for every mood
- 友だちと分け合う | できたてを食べる | 少しだけ薬味を足す | 自分で作ってみる | 小さなお店を探す | よくかんで味わう
- share a plate with a friend | eat while everything is hot | add a little spice | cook at home once | look for a tiny shop | take your time with each bite
ラーメン|ramen|湯気の立つスープがしみる|the hot broth warms you right up
カレー|curry|スパイスの香りで目が覚める|the spices wake you up
寿司|sushi|ネタごとに表情が変わる|every piece tastes a little different
餃子|dumplings|焼き目がぱりっとしている|the crispy bottom is the best bite
たこ焼き|takoyaki|中がとろとろで熱い|the middle is soft and hot
おにぎり|rice balls|どこへでも持っていける|you can carry one anywhere
うどん|udon|もちもちした麺がうれしい|the noodles are thick and chewy
天ぷら|tempura|衣がさくさくと軽い|the batter is light and crisp
焼き鳥|grilled chicken|炭火の匂いに誘われる|the charcoal smell pulls you in
ピザ|pizza|チーズがどこまでも伸びる|the cheese stretches forever
パスタ|pasta|ソースの種類が数えきれない|there are endless sauces to try
サンドイッチ|sandwiches|好きな具を何でもはさめる|anything can go inside
オムライス|omelet rice|卵がふわふわしている|the egg is soft and fluffy
お好み焼き|okonomiyaki|鉄板の音までおいしい|the sizzle on the hot plate sounds tasty
味噌汁|miso soup|ひと口で肩の力が抜ける|one sip calms you down
鍋料理|hot pot|みんなで囲むと心まで温まる|everyone shares one warm pot
焼き芋|sweet potatoes|ほくほくして甘い|a slow roast makes them sweet
そうめん|somen|つるつるとのどを通る|the thin noodles slide right down
# sweets | お菓子 | sweets | を食べる | を食べた | を食べたい | eat | ate
+ 甘い香りで幸せになる | 疲れた頭が軽くなる | 見た目までかわいい | お茶の時間が楽しくなる | ひと口で気分が変わる | 季節ごとに新しい味が出る
+ the sweet smell makes people happy | a small bite clears a tired head | the colors are lovely | tea time gets better | one bite changes the mood | every season brings a new flavor
- 濃いめのお茶と合わせる | 半分こにする | 写真を撮ってから食べる | 休憩のごほうびにする | 冷たいうちに食べる | 手作りに挑戦する
- pair something sweet with strong tea | split one in half | take a photo first | keep one as a reward | serve everything cold | try a homemade version
チョコレート|chocolate|口の中でゆっくり溶ける|a piece melts slowly on the tongue
プリン|pudding|カラメルがほろ苦い|the caramel is a little bitter
ケーキ|cake|切り分ける時間がうれしい|cutting the first slice feels special
アイスクリーム|ice cream|暑い日ほどおいしい|hot days make every scoop better
ドーナツ|donuts|穴の形まで楽しい|even the hole looks cheerful
クッキー|cookies|焼ける匂いが部屋に広がる|the smell of baking fills the room
大福|daifuku|もちの中に餡がぎっしり入っている|soft rice cake hides sweet beans
団子|dango|串に並ぶ姿がかわいい|the little balls line up on a stick
パフェ|parfaits|上から下まで味が変わる|every layer tastes new
クレープ|crepes|薄い生地に何でも包める|the thin wrap holds anything
マカロン|macarons|色とりどりで宝石に見える|the row of colors looks like jewelry
羊羹|yokan|少しずつ切って楽しめる|thin slices last a long time
せんべい|rice crackers|ぱりっとした音が気持ちいい|the crunch sounds great
かき氷|shaved ice|頭がきーんとするのも楽しい|even the brain freeze is fun
ホットケーキ|pancakes|ふんわりと重ねられる|a tall stack looks proud
ゼリー|jelly|ぷるぷる揺れて涼しい|the wobble feels cool
金平糖|konpeito|小さな星の形をしている|the tiny stars sparkle
最中|monaka|皮が香ばしい|the shell smells toasty
# drink | 飲み物 | drinks | を飲む | を飲んだ | を飲みたい | drink | drank
+ ひと息つける | 香りで気持ちが切り替わる | 朝も夜も楽しめる | 体の中からすっきりする | 話が長く続く | 好きな濃さを選べる
+ a single cup gives you a break | the aroma resets your mind | morning or night both work | the body feels refreshed | long talks become easy | you choose how strong to go
- お気に入りのカップを使う | ゆっくり香りをかぐ | 氷をたっぷり入れる | 少しだけミルクを足す | 窓のそばで飲む | 本を読みながら飲む
- use a favorite cup | smell the aroma first | add plenty of ice | pour in a little milk | sit by the window | read a book with a cup
コーヒー|coffee|豆をひく音まで楽しい|even grinding the beans is fun
紅茶|black tea|茶葉が開く時間が好ましい|waiting for the leaves is calming
緑茶|green tea|さわやかな渋みがある|a clean bitterness stays behind
ほうじ茶|roasted tea|香ばしくて落ち着く|the toasty smell is calming
牛乳|milk|お風呂あがりにぴったり合う|a cold glass after a bath is perfect
ココア|cocoa|甘くて体が温まる|the sweet steam warms you up
レモネード|lemonade|酸っぱさで目が覚める|the sour taste wakes you up
サイダー|soda|泡がぱちぱちはじける|the bubbles tickle
抹茶|matcha|きめ細かい泡が美しい|the fine foam looks beautiful
麦茶|barley tea|夏の縁側を思い出す|each glass tastes like summer
オレンジジュース|orange juice|朝から元気になれる|breakfast feels brighter
豆乳|soy milk|まろやかで優しい|the taste is mild and gentle
ミルクティー|milk tea|まろやかな甘さに包まれる|the soft sweetness wraps around you
スムージー|smoothies|果物を丸ごと味わえる|a whole fruit basket fits in one glass
甘酒|amazake|つぶつぶの米が甘い|the soft rice tastes sweet
トマトジュース|tomato juice|夏の畑の味がする|the taste of a summer garden stays
生姜湯|ginger tea|のどの奥まで温かい|the warmth reaches your throat
白湯|hot water|朝の体にしみわたる|a plain cup wakes the body gently
# place | 場所 | places | に行く | に行った | に行きたい | visit | visited
+ 行くたびに発見がある | 写真をたくさん撮れる | 日常を忘れられる | 歩くだけで楽しい | 思い出が増える | 誰と行っても話がはずむ
+ every visit shows something new | there are photos everywhere | the daily rush fades away | just walking around is fun | good memories pile up | anyone can tag along
- 朝早く出かける | 歩きやすい靴をはく | 地図を見ないで歩く | 近くのお店に寄る | 平日に行く | のんびり一日を使う
- leave early in the morning | wear comfortable shoes | walk without a map | stop at a shop nearby | go on a weekday | spend the whole day slowly
温泉|hot springs|湯気の向こうに山が見える|mountains show through the steam
水族館|aquariums|青い光に包まれる|blue light wraps around you
図書館|libraries|静けさが心地いい|the silence feels good
公園|parks|木陰で風に当たれる|a bench in the shade is waiting
遊園地|amusement parks|大声を出して笑える|everyone screams and laughs
京都|Kyoto|路地の奥まで風情がある|every alley has a story
沖縄|Okinawa|海の色がどこまでも青い|the sea is endlessly blue
喫茶店|coffee shops|古い椅子が落ち着く|the old chairs are comfortable
美術館|art museums|一枚の絵と向き合える|one painting can hold you for an hour
動物園|zoos|子どもに戻れる|you feel like a child again
神社|shrines|鈴の音で背筋が伸びる|the bell makes you stand straight
映画館|movie theaters|大きな画面に夢中になれる|the huge screen pulls you in
本屋|bookstores|知らない本に出会える|unknown books find you
商店街|shopping streets|揚げたての匂いがする|something is always frying
海|the sea|波の音を聞いていられる|the waves never stop talking
山|the mountains|頂上の空気がおいしい|the air at the top tastes clean
灯台|lighthouses|遠くの船まで照らせる|the light reaches far ships
植物園|botanical gardens|温室の空気が濃い|the greenhouse air is thick
# animal | 動物 | animals | を見る | を見た | を見たい | see | saw
+ しぐさがかわいい | 見ていて飽きない | 心が柔らかくなる | それぞれ性格が違う | 動きに意外性がある | 名前をつけたくなる
+ every small move is cute | watching never gets old | the heart goes soft | each one has a character | some surprise always comes | you want to give them names
- 静かに近づく | 写真に残す | 鳴き声をまねする | 好物を調べておく | ゆっくり観察する | 図鑑で名前を調べる
- come closer quietly | keep a photo | copy the sound they make | learn what they eat | watch for a while | look them up in a book
猫|cats|気まぐれで目が離せない|they do exactly what they want
犬|dogs|しっぽで気持ちを教えてくれる|the tail says everything
うさぎ|rabbits|鼻をひくひく動かす|the nose never stops moving
ペンギン|penguins|よちよち歩いてくる|they waddle in a line
パンダ|pandas|ずっと笹を食べている|they eat bamboo all day
イルカ|dolphins|人のことをよく覚えている|they remember people
ハムスター|hamsters|ほおがぱんぱんにふくらむ|the cheeks puff up with food
フクロウ|owls|首がくるりと回る|the head turns all the way
キリン|giraffes|まつげが長い|the eyelashes are very long
象|elephants|鼻で器用につかむ|the trunk can pick up anything
コアラ|koalas|一日中うとうとしている|they sleep most of the day
カピバラ|capybaras|お湯の中で動かない|they love a warm bath
リス|squirrels|どんぐりを隠して忘れる|they hide nuts and forget
亀|turtles|ゆっくりでも前に進む|slow steps still go forward
インコ|parrots|言葉をまねしてくれる|they repeat what you say
クラゲ|jellyfish|光の中をふわふわ漂う|they drift through the light
アザラシ|seals|丸い目で見つめてくる|the round eyes stare back
カワウソ|otters|手をつないで眠る|they hold hands while sleeping
# sport | スポーツ | sports | をする | をした | をしたい | practice | practiced
+ 汗をかくとすっきりする | 仲間ができる | 少しずつ上達する | 見るだけでも熱くなる | 体が軽くなる | 勝っても負けても笑える
+ a good sweat clears the mind | you make new friends | small progress adds up | even watching is exciting | the body feels lighter | win or lose, people laugh
- 準備運動をする | 短い時間から始める | 友だちを誘う | 上手な人の動きを見る | 水をこまめに飲む | 記録をつける
- warm up first | start with ten minutes | bring a friend along | watch how the pros move | drink water often | keep a small log
サッカー|soccer|一本のパスで流れが変わる|one pass changes everything
野球|baseball|九回まで何が起こるか分からない|nothing is decided until the end
テニス|tennis|打球の音が気持ちいい|a clean hit sounds great
水泳|swimming|水の中で静かになれる|the world goes quiet in water
卓球|table tennis|球の回転が奥深い|the spin is a whole science
バスケットボール|basketball|靴の音が体育館に響く|the shoes squeak on the floor
柔道|judo|礼に始まり礼に終わる|every match starts with a bow
相撲|sumo|一瞬で勝負がつく|a match can end in a second
スキー|skiing|雪の上を風のように進める|the snow carries you like wind
スケート|skating|氷の上でくるくる回れる|the ice lets you spin
登山|hiking|雲の上まで歩ける|the path leads above the clouds
ヨガ|yoga|呼吸が深くなる|each breath gets deeper
マラソン|marathons|最後の一キロにドラマがある|the last mile is a drama
ダンス|dancing|音に合わせて体が動く|the music moves your feet
剣道|kendo|気合いの声が響く|the shouts fill the hall
バドミントン|badminton|羽根の速さに驚く|the shuttle is surprisingly fast
弓道|archery|的に当たる音が澄んでいる|the arrow makes a clear sound
ボウリング|bowling|ピンが倒れる音が爽快で楽しい|the crash of the pins is a thrill
# hobby | 趣味 | hobbies | を楽しむ | を楽しんだ | を楽しみたい | enjoy | enjoyed
+ 時間を忘れられる | 一人でもできる | 道具を集めたくなる | 手を動かすと落ち着く | 上達が目に見える | 人に見せたくなる
+ hours go by unnoticed | you can do it alone | the tools are fun to collect | busy hands calm the mind | progress is easy to see | the results are nice to show
- まず安い道具で始める | 動画でコツを学ぶ | 毎日十分だけ続ける | 作品を飾る | 仲間を探す | 失敗を気にしない
- begin with cheap tools | learn a trick from a video | spend ten minutes a day | put your work on the wall | find a club | laugh about mistakes
将棋|shogi|一手で形勢が変わる|one move turns the game
パズル|puzzles|最後の一つがはまると気持ちいい|the last piece feels wonderful
読書|reading|別の人生を歩ける|a page opens another life
写真|photography|光の向きで景色が変わる|light changes the whole scene
編み物|knitting|毛糸が形になっていく|yarn slowly becomes a shape
釣り|fishing|待つ時間まで楽しい|even the waiting is fun
園芸|gardening|芽が出ると声が出る|the first sprout is exciting
折り紙|origami|一枚の紙が鶴になる|a flat sheet becomes a bird
書道|calligraphy|墨の匂いで集中できる|the ink smell helps you focus
料理|cooking|冷蔵庫の残りが変身する|leftovers turn into dinner
カラオケ|karaoke|大きな声でうたえる|nobody minds a loud voice
ボードゲーム|board games|顔を見て遊べる|you play face to face
日記|journaling|昨日の自分に会える|you meet your past self
手品|magic tricks|驚く顔が見られる|the surprised faces are worth it
散歩|walking|知らない道に出会える|new streets appear
キャンプ|camping|たき火を見ていられる|the fire is better than a screen
陶芸|pottery|土が手になじむ|the clay follows your hands
切手集め|stamp collecting|小さな絵に国が見える|each stamp is a tiny country
# music | 音楽 | kinds of music | を聴く | を聴いた | を聴きたい | listen to | listened to
+ 気分に寄りそってくれる | 音の重なりが美しい | 聴くたびに発見がある | 作業がはかどる | 昔の景色がよみがえる | 体が勝手に揺れる
+ every mood has a sound | the layers are beautiful | each listen shows something new | work goes faster | old memories come back | the body starts to sway
- 部屋を暗くして聴く | 歌詞を読みながら聴く | 生の演奏を聴きに行く | 友だちに一曲選んでもらう | 好きな部分を繰り返す | 散歩しながら聴く
- dim the lights | follow the words | go to a live show | ask a friend to pick one | repeat the best part | take a walk with headphones
ジャズ|jazz|同じ曲でも毎回違う|no two shows are the same
ロック|rock|ギターの音で血が騒ぐ|the guitar gets the blood moving
クラシック|classical music|静かな音まで聞こえてくる|even the quiet notes speak
ピアノ|piano|一台で何でも表せる|one instrument can say it all
ギター|guitar|弦の響きが近い|the strings sound close
バイオリン|violin|歌うように鳴る|the bow sings
ドラム|drums|胸の奥まで響く|the beat reaches your chest
合唱|choirs|声が重なると鳥肌が立つ|many voices give you chills
オペラ|opera|声だけで物語が進む|the voice carries the story
フルート|flute|風のように軽い|the tone is light like wind
太鼓|taiko|地面まで揺れる|the ground shakes
レコード|vinyl records|針を落とす瞬間がいい|dropping the needle feels special
テクノ|techno|繰り返しが心地いい|the loop feels good
三味線|shamisen|ばちの音が粋で面白い|the pick makes a sharp sound
ハーモニカ|harmonica|ポケットに入る|the whole thing fits a pocket
サックス|saxophone|夜の街によく合う|the sound suits a city night
オルゴール|music boxes|ねじを巻く時間が優しい|turning the key feels gentle
民謡|folk songs|土地の暮らしが見える|the village life shows through
# nature | 景色 | sights | を見る | を見た | を見たい | watch | watched
+ 心が静かになる | 一度として同じ姿がない | 深呼吸したくなる | 季節を感じられる | 小さな悩みを忘れる | 誰かに知らせたくなる
+ the mind becomes quiet | no two moments look alike | you want to breathe deeply | the season feels close | small worries disappear | you want to tell someone
- 早起きして待つ | 温かい飲み物を持っていく | 静かな場所を選ぶ | 目を閉じて音も聞く | 写真より先に目で見る | 毎年同じ場所で見る
- wake up early and wait | bring something warm to drink | choose a quiet spot | close your eyes and listen | look before taking a photo | return to the same spot each year
桜|cherry blossoms|散るときまで美しい|even the falling petals are pretty
雪|snow|街の音が消える|the town turns silent
雨|rain|屋根の音に耳を澄ませる|the roof becomes an instrument
虹|rainbows|見つけると足が止まる|everyone stops to look up
星空|starry skies|遠い光が届く|old light arrives from far away
夕焼け|sunsets|空の色が刻々と変わる|the colors change every minute
月|the moon|形を変えて戻ってくる|the shape keeps coming back
紅葉|autumn leaves|山が赤く燃える|the hills turn red
流れ星|shooting stars|願い事が間に合わない|there is never time for a wish
ひまわり|sunflowers|太陽を追いかける|they follow the sun
森|forests|葉の間から光がこぼれる|light falls between the leaves
滝|waterfalls|水しぶきが涼しい|the mist feels cool
川|rivers|流れを眺めていられる|the water keeps moving
雲|clouds|いろいろな形に見える|the shapes turn into animals
霧|fog|いつもの道が別世界になる|the usual road looks unreal
朝焼け|sunrises|一日が静かに始まる|the day begins softly
蛍|fireflies|暗がりに光が浮かぶ|tiny lights float in the dark
梅|plum blossoms|寒いうちから香る|the scent comes before spring
# tech | 道具 | gadgets | を使う | を使った | を使いたい | use | used
+ できることが増える | 毎日が少し楽になる | 仕組みを知ると面白い | 使うほど手になじむ | 新しい考えが浮かぶ | 遠くの人とつながれる
+ new things become possible | each day gets a bit easier | the inner workings are fascinating | practice makes everything smooth | fresh ideas show up | far friends feel close
- 設定をゆっくり見直す | まず一つの機能を覚える | こまめに保存する | 詳しい人に聞く | 説明書を一度読む | ときどき休ませる
- go through the settings slowly | learn one feature first | save your work often | ask someone who knows | read the manual once | take a break sometimes
パソコン|computers|机の上で何でも作れる|a desk becomes a workshop
スマートフォン|smartphones|手のひらに全部入る|everything fits in one hand
ロボット|robots|ぎこちない動きに愛着がわく|the clumsy moves are charming
ドローン|drones|鳥の目で景色を見られる|you see like a bird
キーボード|keyboards|打つ音が気持ちいい|the clicking sounds good
プログラミング|programming|書いた通りに動くと感動する|the code finally runs
イヤホン|earphones|自分だけの部屋になる|a private room fits in your ears
人工知能|artificial intelligence|話し方まで変えられる|even the tone can change
電子書籍|e-books|本棚を持ち歩ける|a whole shelf fits in a bag
翻訳アプリ|translation apps|知らない言葉が読める|strange words open up
電卓|calculators|答えがすぐに出る|the answer comes at once
プロジェクター|projectors|壁が映画館に変わる|a wall becomes a cinema
タブレット|tablets|絵も文字も書ける|drawing and writing both work
望遠鏡|telescopes|土星の輪まで見える|the rings of Saturn appear
腕時計|wristwatches|針の動きに味がある|the moving hands have charm
自転車|bicycles|風を切って進める|the wind is on your face
顕微鏡|microscopes|一滴の水に世界がある|a drop of water holds a world
ミシン|sewing machines|布が服に変わる|cloth turns into clothes
# study | 科目 | subjects | を学ぶ | を学んだ | を学びたい | study | studied
+ 世界の見え方が変わる | 分かった瞬間がうれしい | 毎日の疑問が解ける | 昔の人とつながれる | 考える力がつく | 人に話したくなる
+ the world looks different | the moment of understanding is great | daily questions get answers | people from long ago speak | thinking gets sharper | you want to explain everything
- 短い時間でも毎日続ける | 自分の言葉でまとめる | 友だちに説明してみる | 好きな本から入る | 間違いを集めておく | 朝に少しだけ進める
- study a little every day | write a summary in your own words | explain a page to a friend | start from a fun book | keep a list of mistakes | do a little each morning
英語|English|遠くの人と笑い合える|you can laugh with people far away
数学|math|きれいに解けると気持ちいい|a neat proof feels wonderful
歴史|history|人の選択が今につながる|old choices shape today
理科|science|実験の失敗まで面白い|even failed tests are fun
地理|geography|地図の上を旅できる|a map takes you on a trip
美術|art|見る目が育つ|your eye keeps growing
哲学|philosophy|答えのない問いが残る|some questions stay open
天文学|astronomy|宇宙の広さに驚く|space is bigger than any thought
生物学|biology|命の仕組みが細かい|life is built from tiny parts
化学|chemistry|色が一瞬で変わる|the color changes in a flash
物理|physics|小さな式で空まで説明できる|one formula explains the sky
経済|economics|値段の理由が見えてくる|prices start to make sense
心理学|psychology|自分の癖に気づける|you notice your own habits
考古学|archaeology|土の中から物語が出る|stories come out of the ground
統計|statistics|数字の裏が読める|numbers start to talk
国語|literature class|言葉の選び方が磨かれる|word choice gets better
言語学|linguistics|言葉の形に決まりがある|every language hides a pattern
論理学|logic|考えの筋道が見える|each step can be checked
# fashion | ファッション | fashion items | を身につける | を身につけた | を身につけたい | wear | wore
+ 出かけるのが楽しくなる | 気分がぱっと変わる | 自分らしさが出る | 鏡を見るのが楽しい | 組み合わせが無限にある | 会話のきっかけになる
+ going out becomes fun | the mood changes at once | your own style shows | mirrors become friendly | the combinations are endless | people start a conversation
- 一か所だけ明るい色にする | 好きな色から選ぶ | 手入れをしながら長く使う | 友だちと選びに行く | 天気に合わせて選ぶ | 古着屋をのぞく
- add one bright color | start from your favorite color | take good care of each piece | go shopping with a friend | match the weather | look into a vintage store
ネイル|nail art|指先が目に入るたびうれしい|your hands look cheerful all day
帽子|hats|寝ぐせまで隠せる|messy hair is no problem
浴衣|yukata|夏祭りの気分になる|summer festivals feel closer
スニーカー|sneakers|どこまでも歩ける|long walks feel easy
香水|perfume|すれ違うだけで印象に残る|a scent stays in memory
ピアス|earrings|揺れるたびに光る|they shine with every move
リュック|backpacks|両手が空く|both hands stay free
マフラー|scarves|首元から温まる|the neck stays warm
サングラス|sunglasses|まぶしい日が楽しみになる|bright days become welcome
口紅|lipstick|顔色が明るくなる|the face looks brighter
靴下|socks|柄で遊べる|silly patterns are allowed
セーター|sweaters|ふわふわして暖かい|the wool is soft and warm
着物|kimono|帯の結びに個性が出る|the knot shows your taste
ワンピース|dresses|一枚で決まる|one piece is enough
ブーツ|boots|水たまりも怖くない|puddles are not scary
眼鏡|glasses|かけるだけで雰囲気が変わる|the whole face looks new
手袋|gloves|指先まで暖かい|fingers stay warm
指輪|rings|小さいのに存在感がある|a small thing draws the eye
# story | 物語 | stories | を楽しむ | を楽しんだ | を楽しみたい | enjoy | enjoyed
+ 続きが気になって眠れない | 登場人物に会いたくなる | 思い切り泣いて笑える | 感想を話したくなる | 何度も味わえる | 知らない世界に行ける
+ you stay up for the next part | the characters feel like friends | tears and laughs both come | talking about the ending is fun | a second time is even better | a new world opens
- 一気に最後まで楽しむ | 感想を書き残す | 友だちと語り合う | 結末を知らずに始める | 静かな夜に楽しむ | 好きな場面を選ぶ
- go through to the end at once | write down your thoughts | talk about the ending with a friend | avoid any spoilers | choose a quiet night | pick a favorite scene
アニメ|anime|絵が動くだけで胸が熱い|the drawings come alive
漫画|manga|ページをめくる手が止まらない|the pages turn by themselves
映画|movies|二時間で人生が変わる|two hours can change a life
小説|novels|頭の中に景色が広がる|a whole city grows in your head
ドラマ|TV dramas|毎週の楽しみになる|every week has a highlight
絵本|picture books|短い言葉が深い|few words say a lot
推理小説|mysteries|犯人が最後まで分からない|the culprit stays hidden
怪談|ghost stories|夜の物音が怖くなる|every small noise gets scary
詩|poems|一行が胸に残る|one line stays with you
昔話|folk tales|語りの調子が耳に残る|the rhythm stays in the ear
神話|myths|神様まで人間くさい|even the gods act human
落語|rakugo|一人で何役も演じる|one person plays everyone
ミュージカル|musicals|歌で気持ちがあふれる|feelings burst into song
人形劇|puppet shows|人形が生きて見える|the puppets seem alive
ラジオ|radio shows|声だけで近くに感じる|a voice feels near
時代劇|samurai dramas|刀の音に息をのむ|the swords make you hold your breath
紙芝居|paper theater|次の一枚が待ち遠しい|the next card is exciting
童謡|nursery rhymes|子どものころに戻れる|childhood comes back
"""


def _parse():
    categories, head, lists, topics = [], None, [], []

    def close():
        if head:
            key = head[0]
            split = len(topics) - HELD_OUT_PER_CATEGORY
            made = tuple(Topic(*fields, key, i >= split) for i, fields in enumerate(topics))
            categories.append(Category(*head, *[tuple(entries) for entries in lists], made))

    for line in _SOURCE.strip().splitlines():
        fields = [field.strip() for field in line.lstrip("#+- ").split("|")]
        if line[0] == "#":
            close()
            head, lists, topics = fields, [], []
        elif line[0] in "+-":
            lists.append(fields)
        else:
            topics.append(fields)
    close()
    return {category.key: category for category in categories}


CATEGORIES = _parse()
TOPICS = tuple(topic for category in CATEGORIES.values() for topic in category.topics)
TRAINING_TOPICS = tuple(topic for topic in TOPICS if not topic.held_out)
HELD_OUT_TOPICS = tuple(topic for topic in TOPICS if topic.held_out)

# What users call things when they explain a word: noun -> category.
KINDS_JA = {"果物": "food", "野菜": "food", "料理": "food", "お菓子": "sweets", "ケーキの一種": "sweets", "飲み物": "drink", "お茶": "drink",
            "町": "place", "お店": "place", "島": "place", "動物": "animal", "鳥": "animal", "魚": "animal", "スポーツ": "sport",
            "遊び": "hobby", "ゲーム": "hobby", "楽器": "music", "曲": "music", "花": "nature", "木": "nature", "機械": "tech",
            "アプリ": "tech", "道具": "tech", "学問": "study", "服": "fashion", "アクセサリー": "fashion", "本": "story", "番組": "story"}
KINDS_EN = {"fruit": "food", "vegetable": "food", "dish": "food", "snack": "sweets", "candy": "sweets", "drink": "drink", "tea": "drink",
            "town": "place", "shop": "place", "island": "place", "animal": "animal", "bird": "animal", "fish": "animal", "sport": "sport",
            "game": "hobby", "hobby": "hobby", "song": "music", "band": "music", "flower": "nature", "tree": "nature", "machine": "tech",
            "tool": "tech", "subject": "study", "hat": "fashion", "jacket": "fashion", "book": "story", "show": "story"}
ONE_EN = {"food": "food", "sweets": "sweet", "drink": "drink", "place": "place", "animal": "animal", "sport": "sport", "hobby": "hobby",
          "music": "kind of music", "nature": "sight", "tech": "gadget", "study": "subject", "fashion": "fashion item", "story": "story"}
ADJECTIVES_JA = ("赤い", "青い", "白い", "黒い", "小さな", "大きな", "甘い", "古い", "新しい", "静かな", "有名な", "冷たい", "温かい", "丸い",
                 "珍しい", "変わった", "安い", "懐かしい", "不思議な", "地元の")
ADJECTIVES_EN = ("red", "blue", "white", "small", "big", "sweet", "old", "new", "quiet", "famous", "cold", "warm", "round", "rare",
                 "strange", "cheap", "local", "tiny", "popular", "simple")
