"""The attributes of the world, by kind, and the groups of them that things and interests draw from.

A line is `code < broader attribute`, then its words in the order en | de | fr | es | ja, the commonest first. Occasions
are worded so that they can follow "for". Whoever asks for the broader attribute is content with the narrower one.
"""

COLOURS = """
red | red, crimson | rot, rote | rouge, rouge vif | rojo, roja | 赤い, レッド
burgundy < red | burgundy, wine red | weinrot, bordeaux | bordeaux, lie de vin | burdeos, granate | ワインレッド, ボルドー
blue | blue, bright blue | blau, blaue | bleu, bleue | azul | 青い, ブルー
navy < blue | navy, dark blue, midnight blue | dunkelblau, marineblau | bleu marine, bleu nuit | azul marino | 紺色, ネイビー
green | green | grün, grüne | vert, verte | verde | 緑の, グリーン
sage < green | sage, sage green, muted green | salbeigrün, salbei | vert sauge, vert amande | verde salvia | セージグリーン, くすみグリーン
pink | pink, rose | rosa, pink | rose | rosa, rosado | ピンク, 桃色
blush < pink | blush, dusty pink, pale pink | altrosa, zartrosa | rose poudré, vieux rose | rosa palo | くすみピンク, 淡いピンク
yellow | yellow | gelb, gelbe | jaune | amarillo, amarilla | 黄色い, イエロー
mustard < yellow | mustard, ochre | senfgelb, ocker | jaune moutarde, ocre | mostaza, ocre | マスタード, からし色
orange | orange | orange, orangefarben | orange, orangé | naranja, anaranjado | オレンジ, 橙色
terracotta < orange | terracotta, rust, burnt orange | terrakotta, rostrot | terracotta, rouille | terracota, teja | テラコッタ, れんが色
purple | purple, violet | lila, violett | violet, violette | morado, violeta | 紫の, パープル
lavender < purple | lavender, lilac | lavendel, flieder | lavande, lilas | lavanda, lila | ラベンダー, 藤色
black | black, jet black | schwarz, schwarze | noir, noire | negro, negra | 黒い, ブラック
white | white, all white | weiß, weiße | blanc, blanche | blanco, blanca | 白い, ホワイト
cream < white | cream, ivory, off white | creme, cremeweiß | crème, ivoire, écru | crema, marfil | クリーム色, アイボリー
grey | grey, gray | grau, graue | gris, grise | gris | グレー, 灰色
beige | beige, sand, taupe | beige, sandfarben | beige, sable | beige, arena | ベージュ, 生成り
brown | brown, chestnut | braun, braune | marron, brun | marrón, castaño | 茶色い, ブラウン
gold | gold, golden | gold, goldfarben | doré, dorée | dorado, dorada | ゴールド, 金色
silver | silver | silber, silberfarben | argenté, argent | plateado, plata | シルバー, 銀色
"""  # noqa: E501 one attribute, one line

MATERIALS = """
wood | wood, wooden, timber | Holz | bois | madera | 木製, 木
oak < wood | oak | Eiche, Eichenholz | chêne | roble | オーク, ナラ材
walnut < wood | walnut | Nussbaum, Walnuss | noyer | nogal | ウォールナット
rattan | rattan, wicker, cane | Rattan, Korbgeflecht | rotin, osier, cannage | ratán, mimbre | ラタン, 籐
metal | metal | Metall | métal | metal | 金属, メタル
brass < metal | brass | Messing | laiton | latón | 真鍮
iron < metal | iron, cast iron, wrought iron | Eisen, Gusseisen | fer forgé, fonte | hierro, hierro forjado | アイアン, 鉄
copper < metal | copper | Kupfer | cuivre | cobre | 銅
steel < metal | stainless steel, steel | Edelstahl, Stahl | inox, acier | acero inoxidable, acero | ステンレス
aluminium < metal | aluminium, aluminum | Aluminium, Alu | aluminium | aluminio | アルミ
glass | glass | Glas | verre | cristal, vidrio | ガラス
marble | marble | Marmor | marbre | mármol | 大理石
stone | stone | Stein, Naturstein | pierre | piedra | 石, ストーン
concrete | concrete, cement | Beton, Zement | béton | hormigón, cemento | コンクリート
ceramic | ceramic, pottery | Keramik, Steingut | céramique, grès | cerámica, gres | 陶器, セラミック
porcelain < ceramic | porcelain, china | Porzellan | porcelaine | porcelana | 磁器
leather | leather | Leder | cuir | cuero, piel | 革, レザー
suede < leather | suede | Wildleder, Veloursleder | daim, nubuck | ante, gamuza | スエード
velvet | velvet | Samt | velours | terciopelo | ベルベット, ビロード
linen | linen, flax | Leinen | lin | lino | リネン, 麻
cotton | cotton | Baumwolle | coton | algodón | コットン, 綿
wool | wool, woolen | Wolle | laine | lana | ウール, 羊毛
merino < wool | merino | Merino, Merinowolle | mérinos | merino | メリノ
silk | silk, silky | Seide | soie | seda | シルク, 絹
satin | satin | Satin | satin | satén, raso | サテン
denim | denim | Jeansstoff, Denim | jean, denim | vaquero, mezclilla | デニム
lace | lace | Spitze | dentelle | encaje | レース
nylon | nylon | Nylon | nylon | nailon | ナイロン
canvas | canvas | Segeltuch, Canvas | toile | lona | キャンバス
paper | paper | Papier | papier | papel | 紙, ペーパー
felt | felt | Filz | feutrine, feutre | fieltro | フェルト
pearl | pearl | Perlen, Perle | perles, nacre | perlas, nácar | パール, 真珠
acetate | acetate, plastic | Acetat, Kunststoff | acétate, plastique | acetato, plástico | アセテート, プラスチック
matte | matte, mat finish | matt | mat, fini mat | mate | マット
glitter | glitter, sparkly | Glitzer | paillettes, pailleté | brillantina, purpurina | グリッター, ラメ
glossy | glossy, high shine | glänzend, Hochglanz | brillant, laqué | brillo, brillante | ツヤ, グロス
chrome | chrome, mirror finish | Chrom, Spiegeleffekt | chromé, effet miroir | cromado, efecto espejo | ミラー, クローム
vanilla | vanilla | Vanille | vanille | vainilla | バニラ
chocolate | chocolate, cocoa | Schokolade, Schoko | chocolat, cacao | chocolate, cacao | チョコレート, チョコ
lemon | lemon, citrus | Zitrone, Zitronen | citron | limón | レモン
strawberry | strawberry | Erdbeere, Erdbeer | fraise, fraises | fresa, fresas | いちご, ストロベリー
apple | apple | Apfel, Äpfel | pomme, pommes | manzana | りんご, アップル
cinnamon | cinnamon | Zimt | cannelle | canela | シナモン
almond | almond | Mandel | amande | almendra | アーモンド
coconut | coconut | Kokos, Kokosnuss | noix de coco, coco | coco | ココナッツ
pumpkin | pumpkin | Kürbis | potiron, citrouille | calabaza | かぼちゃ
carrot | carrot | Karotte, Möhre | carotte | zanahoria | にんじん
chicken | chicken, poultry | Hähnchen, Huhn | poulet | pollo | 鶏肉, チキン
beef | beef, ground beef | Rindfleisch, Hackfleisch | bœuf, viande hachée | ternera, carne de res | 牛肉, ビーフ
salmon | salmon | Lachs | saumon | salmón | サーモン, 鮭
shrimp | shrimp, prawn | Garnelen, Shrimps | crevettes | gambas, camarones | エビ, 海老
mushroom | mushroom | Pilze, Champignons | champignons | champiñones, setas | きのこ, マッシュルーム
chickpea | chickpea, garbanzo | Kichererbsen | pois chiches | garbanzos | ひよこ豆
tofu | tofu | Tofu | tofu | tofu | 豆腐
cheese | cheese, cheesy | Käse | fromage | queso | チーズ
spinach | spinach | Spinat | épinards | espinacas | ほうれん草
"""  # noqa: E501 one attribute, one line

STYLES = """
modern | modern, contemporary | modern, zeitgemäß | moderne, contemporain | moderno, contemporáneo | モダン, 現代的
minimalist < modern | minimalist, minimal | minimalistisch, schlicht | minimaliste, épuré | minimalista | ミニマル, シンプル
boho | boho, bohemian | Boho, Bohemian | bohème, boho | bohemio, boho | ボヘミアン, ボーホー
rustic | rustic | rustikal | rustique | rústico | 素朴な, ラスティック
farmhouse < rustic | farmhouse, country style, cottage | Landhaus, Landhausstil | campagne, style ferme | campestre, granja | カントリー風, ファームハウス
scandinavian | scandinavian, nordic, scandi | skandinavisch, nordisch | scandinave, nordique | escandinavo, nórdico | 北欧, スカンジナビア風
industrial | industrial, loft style | Industrial, Loft | industriel, style loft | industrial | インダストリアル, 工業系
vintage | vintage, retro, antique | Vintage, Retro | vintage, rétro | vintage, retro | ヴィンテージ, レトロ
glam | glam, glamorous | glamourös, Glamour | glamour, glam | glamuroso, glam | グラマラス, ゴージャス
coastal | coastal, nautical, beachy | maritim, Küstenstil | bord de mer, marin | costero, marinero | マリン風, 海辺風
casual | casual, everyday, laid back | lässig, Freizeit | décontracté, casual | informal, casual | カジュアル, 普段着
elegant | elegant, classy, chic | elegant, edel | élégant, chic | elegante, distinguido | エレガント, 上品な
sporty | sporty, athletic | sportlich | sportif, sportive | deportivo | スポーティー
streetwear | streetwear, urban | Streetwear | streetwear, urbain | streetwear, urbano | ストリート系
vegetarian | vegetarian, meatless, veggie | vegetarisch, fleischlos | végétarien, sans viande | vegetariano, sin carne | ベジタリアン, 肉なし
vegan < vegetarian | vegan, plant based, dairy free | vegan, pflanzlich | végan, végétalien | vegano, vegetal | ヴィーガン, 植物性
gluten free | gluten free, celiac friendly | glutenfrei | sans gluten | sin gluten | グルテンフリー
low carb | low carb, keto | kohlenhydratarm, Low Carb | faible en glucides, cétogène | bajo en carbohidratos, keto | 低糖質, 糖質オフ
healthy | healthy, light, nutritious | gesund, leicht | sain, léger | saludable, ligero | ヘルシー, 健康的な
quick | quick, easy, 15 minute | schnell, einfach | rapide, facile | rápido, fácil | 時短, 簡単
beginner | beginner, first project, simple | Anfänger, kinderleicht | débutant, premier projet | principiante, primer proyecto | 初心者, はじめて
whimsical | whimsical, fairy tale | verspielt, märchenhaft | féerique, fantaisie | de cuento, caprichoso | メルヘン, 夢かわ
lightweight | lightweight, ultralight | ultraleicht, Leichtgewicht | ultraléger, léger à porter | ultraligero, ligero de peso | 軽量, 超軽量
luxury | luxury, glamping, high end | Luxus, Glamping | luxe, glamping | de lujo, glamping | 高級, グランピング
budget | budget, cheap, affordable | günstig, preiswert | petit budget, pas cher | económico, barato | 格安, プチプラ
"""  # noqa: E501 one attribute, one line

OCCASIONS = """
small space | small spaces, a tiny apartment, studio flats | kleine Räume, kleine Wohnungen | petits espaces, studio | espacios pequeños, pisos pequeños | 狭い部屋, 一人暮らし
renting | renters, rentals | Mietwohnungen | location, locataires | pisos de alquiler | 賃貸
kids | kids, children, toddlers | Kinder | enfants, tout-petits | niños, peques | 子供, キッズ
family | family, a crowd | Familie | famille | la familia | 家族, ファミリー
christmas | christmas, xmas, the holidays | Weihnachten, Advent | Noël, les fêtes | Navidad | クリスマス
halloween | halloween, spooky season | Halloween, Gruselparty | Halloween | Halloween | ハロウィン
easter | easter | Ostern | Pâques | Pascua | イースター, 復活祭
valentine | valentine's day, valentines | Valentinstag | Saint-Valentin | San Valentín | バレンタイン
birthday | birthday, bday | Geburtstag | anniversaire | cumpleaños | 誕生日, バースデー
wedding | wedding, bridal, the bride | Hochzeit, Trauung | mariage, noces | boda, novia | 結婚式, ウェディング
baby shower | baby shower, new baby | Babyparty | baby shower, naissance | baby shower, bebé | ベビーシャワー, 出産祝い
graduation | graduation, prom | Abschlussfeier, Abiball | remise de diplôme, bal de promo | graduación | 卒業式
gift | gifts, presents | Geschenke, zum Verschenken | cadeaux, à offrir | regalar, regalos | プレゼント, 贈り物
party | party, guests | Party, Gäste | soirée, invités | fiestas, invitados | ホームパーティー, おもてなし
office | office, work | Büro, Arbeit | bureau, travail | la oficina, trabajo | オフィス, 通勤
travel | travel, vacation | Reise, Urlaub | voyage, vacances | viajar, vacaciones | 旅行, 旅
beach | beach, seaside | Strand | plage | playa | ビーチ, 海
spring | spring | Frühling, Frühjahr | printemps | primavera | 春
summer | summer, hot days | Sommer | été | verano | 夏
autumn | fall, autumn | Herbst | automne | otoño | 秋
winter | winter, cold weather | Winter, kalte Tage | hiver, grand froid | invierno | 冬
picnic | picnic, potluck | Picknick | pique-nique | picnic, merienda campestre | ピクニック, お花見
weeknight | weeknights, busy evenings | Feierabend, Alltag | soirs de semaine | entre semana | 平日の夜
"""  # noqa: E501 one attribute, one line

GROUPS: dict[str, str] = {
    # materials, by what kind of thing it is
    "none": "",
    "hard": "wood, oak, metal, glass, walnut, rattan, marble, brass",
    "soft": "velvet, leather, linen, suede, cotton",
    "fabric": "linen, cotton, velvet, silk, lace",
    "knit": "wool, cotton, merino, linen",
    "clay": "ceramic, glass, marble, porcelain, wood",
    "pan": "steel, iron, copper, ceramic",
    "outdoor": "wood, metal, stone, rattan, concrete, iron",
    "metalware": "metal, copper, brass, steel",
    "cloth": "cotton, linen, silk, satin, denim, lace, velvet",
    "coating": "wool, leather, denim, suede, velvet",
    "hide": "leather, suede, canvas, velvet, satin",
    "jewel": "pearl, brass, glass, lace, wood",
    "frame": "acetate, metal, wood",
    "finish": "glitter, matte, glossy, chrome",
    "trinket": "pearl, satin, acetate, velvet",
    "sweet": "chocolate, lemon, strawberry, apple, cinnamon, almond, coconut, pumpkin, carrot, vanilla",
    "savoury": "chicken, cheese, beef, salmon, mushroom, chickpea, shrimp, tofu, spinach",
    "stick": "wood, aluminium, steel",
    "scented": "vanilla, cinnamon, lemon, pumpkin",
    "ribbon": "silk, lace, paper, satin",
    "paperware": "paper, felt, lace, wood",
    "gear": "nylon, canvas, cotton, aluminium",
    "flask": "steel, glass, aluminium",
    # styles, by interest
    "decor": "modern, boho, rustic, scandinavian, industrial, vintage, farmhouse, minimalist, glam, coastal",
    "wear": "casual, elegant, boho, vintage, sporty, minimalist, streetwear, glam",
    "diet": "vegan, quick, healthy, gluten free, vegetarian, low carb",
    "making": "beginner, boho, modern, vintage, rustic, whimsical",
    "event": "boho, rustic, elegant, glam, vintage, minimalist, whimsical",
    "outing": "lightweight, budget, luxury, vintage",
    # occasions, by interest
    "home": "small space, christmas, autumn, renting, kids, family, spring",
    "outdoors": "small space, summer, party, spring, winter, kids",
    "wearing": "office, summer, wedding, winter, beach, party, autumn, travel, graduation",
    "feast": "christmas, birthday, halloween, easter, valentine, kids, summer, picnic",
    "meals": "weeknight, family, summer, winter, picnic, kids, christmas, party",
    "crafting": "christmas, baby shower, kids, gift, easter, halloween, winter",
    "celebrating": "wedding, birthday, baby shower, christmas, halloween, graduation, valentine",
    "trip": "family, winter, summer, beach, travel, kids",
}
MEATS = "chicken, beef, salmon, shrimp"
MEATLESS = "vegan, vegetarian"
NO_COLOUR = "sweet, savoury"  # material groups of things for whose colour nobody asks

RGB: dict[str, tuple[int, int, int]] = {
    "red": (205, 35, 40),
    "burgundy": (110, 15, 40),
    "blue": (45, 100, 215),
    "navy": (20, 30, 90),
    "green": (40, 150, 60),
    "sage": (155, 175, 145),
    "pink": (245, 120, 175),
    "blush": (235, 195, 190),
    "yellow": (250, 220, 50),
    "mustard": (200, 150, 40),
    "orange": (245, 140, 30),
    "terracotta": (190, 95, 60),
    "purple": (120, 50, 160),
    "lavender": (195, 175, 230),
    "black": (25, 25, 25),
    "white": (252, 252, 252),
    "cream": (245, 235, 210),
    "grey": (135, 135, 135),
    "beige": (215, 195, 165),
    "brown": (115, 70, 40),
    "gold": (212, 170, 60),
    "silver": (195, 200, 205),
}
