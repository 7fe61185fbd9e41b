"""The interests and the things of the world, with their words in five languages.

An interest is `[code] style group, occasion group`, then its words. A thing is `code ; family ; material group ;
shape ; complements`, then its words. Words are in the order en | de | fr | es | ja, the commonest synonym first.
"""

INTERESTS_AND_THINGS = """
[living room] decor, home
living room, lounge, sitting room | Wohnzimmer, Stube | salon, séjour | sala de estar, salón | リビング, 居間
sofa ; seat ; soft ; sofa ; sofa cushion, coffee table, rug, throw
sofa, couch, settee | Sofa, Couch, Polstersofa | canapé, divan | sofá, diván | ソファ, カウチ
armchair ; seat ; soft ; chair ; sofa cushion, floor lamp, throw
armchair, accent chair, lounge chair | Sessel, Lehnsessel | fauteuil, bergère | sillón, butaca | アームチェア, 一人掛けソファ
sofa cushion ; soft furnishing ; fabric ; square ;
sofa cushion, throw pillow, couch pillow | Sofakissen, Zierkissen | coussin de canapé, coussin | cojín de sofá, cojín | クッション, ソファ用クッション
throw ; soft furnishing ; knit ; square ;
throw blanket, couch throw, afghan | Wolldecke, Kuscheldecke, Sofadecke | plaid, jeté de canapé | manta de sofá, manta | ブランケット, ひざ掛け
coffee table ; table ; hard ; table ; rug, bookshelf
coffee table, cocktail table, sofa table | Couchtisch, Sofatisch | table basse, table de salon | mesa de centro, mesita baja | ローテーブル, コーヒーテーブル
bookshelf ; storage ; hard ; shelf ;
bookshelf, bookcase, book shelves | Bücherregal, Bücherschrank | bibliothèque, étagère à livres | librería, estantería | 本棚, ブックシェルフ
rug ; floor ; knit ; square ;
rug, area rug, carpet | Teppich, Läufer | tapis, carpette | alfombra, tapete | ラグ, カーペット, じゅうたん
floor lamp ; light ; hard ; lamp ; bookshelf
floor lamp, standing lamp | Stehlampe, Standleuchte | lampadaire, lampe sur pied | lámpara de pie, lámpara de suelo | フロアランプ, スタンドライト

[bedroom] decor, home
bedroom, master bedroom | Schlafzimmer | chambre, chambre à coucher | dormitorio, habitación | 寝室, ベッドルーム
bed frame ; bed ; hard ; bed ; bedding, nightstand, rug
bed frame, bedstead, platform bed | Bettgestell, Bettrahmen | cadre de lit, lit | estructura de cama, cama | ベッドフレーム, ベッド
headboard ; bed ; soft ; bed ; bedding, bedside lamp
headboard, bed head | Kopfteil, Bettkopfteil | tête de lit | cabecero, cabecera de cama | ヘッドボード
bedding ; bed linen ; fabric ; bed ;
duvet cover, bedding set, comforter cover | Bettwäsche, Bettbezug | housse de couette, parure de lit | funda nórdica, ropa de cama | 布団カバー, 寝具セット
curtains ; window ; fabric ; curtain ; bedding
curtains, drapes | Vorhänge, Gardinen | rideaux, voilages | cortinas, visillos | カーテン, ドレープ
nightstand ; bedroom furniture ; hard ; table ; bedside lamp
nightstand, bedside table | Nachttisch, Nachtkästchen | table de chevet, chevet | mesita de noche, mesilla | ナイトテーブル, ベッドサイドテーブル
wardrobe ; bedroom furniture ; hard ; shelf ; vanity
wardrobe, armoire, clothes closet | Kleiderschrank, Garderobenschrank | armoire, penderie | armario, ropero | ワードローブ, 洋服だんす
bedside lamp ; light ; hard ; lamp ;
bedside lamp, table lamp | Nachttischlampe, Tischlampe | lampe de chevet, lampe à poser | lámpara de mesa, lámpara de noche | ベッドサイドランプ, テーブルランプ
vanity ; bedroom furniture ; hard ; mirror ; bedside lamp, lipstick
vanity, dressing table, makeup table | Schminktisch, Frisiertisch | coiffeuse, table de maquillage | tocador, mesa de maquillaje | ドレッサー, 化粧台

[kitchen] decor, home
kitchen, kitchenette | Küche | cuisine | cocina | キッチン, 台所
kitchen island ; worktop ; hard ; table ; bar stool, cutting board
kitchen island, island counter | Kücheninsel, Kochinsel | îlot de cuisine, îlot central | isla de cocina, barra central | キッチンアイランド, アイランドカウンター
dining table ; worktop ; hard ; table ; dinner plates, centerpiece
dining table, kitchen table | Esstisch, Küchentisch | table à manger, table de cuisine | mesa de comedor, mesa de cocina | ダイニングテーブル, 食卓
bar stool ; kitchen seat ; soft ; chair ;
bar stool, counter stool | Barhocker, Tresenhocker | tabouret de bar, chaise haute | taburete de bar, banqueta alta | バースツール, カウンターチェア
dinner plates ; tableware ; clay ; plate ; mug
dinner plates, dinnerware set, dishes | Essteller, Geschirrset | assiettes, vaisselle | platos, vajilla | ディナープレート, お皿, 食器
mug ; tableware ; clay ; mug ;
mug, coffee cup | Kaffeetasse, Becher | mug, tasse à café | taza, tazón | マグカップ, コーヒーカップ
cutting board ; cookware ; hard ; board ; saucepan
cutting board, chopping board | Schneidebrett, Küchenbrett | planche à découper | tabla de cortar, tabla de cocina | まな板, カッティングボード
saucepan ; cookware ; pan ; pot ;
saucepan, cooking pot, cookware | Kochtopf, Kasserolle | casserole, faitout | cacerola, olla | 鍋, ソースパン
spice jars ; kitchen storage ; clay ; jar ; cutting board
spice jars, spice rack, pantry jars | Gewürzgläser, Gewürzregal | pots à épices, bocaux | tarros de especias, especiero | スパイスラック, 保存瓶

[garden] decor, outdoors
garden, backyard, yard | Garten, Hinterhof | jardin, cour | jardín, patio trasero | 庭, ガーデン
garden bench ; garden seat ; outdoor ; bench ; garden cushion, pergola, fire pit
garden bench, patio bench | Gartenbank, Parkbank | banc de jardin | banco de jardín, banca de exterior | ガーデンベンチ, 屋外ベンチ
hammock ; garden seat ; fabric ; bench ; pergola
hammock, hanging bed | Hängematte | hamac | hamaca | ハンモック
garden cushion ; garden textile ; fabric ; square ; hammock
garden bench cushion, outdoor pillow | Gartenkissen, Bankauflage | coussin de jardin, galette extérieure | cojín de exterior, cojín de jardín | 屋外クッション, ガーデンクッション
plant pot ; planter ; clay ; flowerpot ; raised bed
plant pot, flower pot, planter | Blumentopf, Pflanzkübel | pot de fleurs, cache-pot | maceta, macetero | 植木鉢, プランター
raised bed ; planter ; outdoor ; box ;
raised garden bed, vegetable bed | Hochbeet, Gemüsebeet | potager surélevé, carré potager | huerto elevado, bancal | 花壇, レイズドベッド
pergola ; structure ; outdoor ; pergola ; garden lights
pergola, arbor, gazebo | Pergola, Laube | pergola, tonnelle | pérgola, cenador | パーゴラ, 東屋
fire pit ; structure ; outdoor ; fire ; garden lights
fire pit, outdoor fireplace | Feuerstelle, Feuerschale | brasero, foyer extérieur | brasero, hoguera de jardín | 焚き火台, ファイヤーピット
garden lights ; garden lighting ; metalware ; lamp ;
garden lights, patio string lights | Gartenbeleuchtung, Lichterkette | guirlande lumineuse, éclairage de jardin | luces de jardín, guirnalda de luces | ガーデンライト, 屋外照明

[fashion] wear, wearing
outfit, fashion, ootd | Mode, Outfit | mode, tenue | moda, conjunto | ファッション, コーデ
dress ; gown ; cloth ; dress ; high heels, handbag, earrings, coat
dress, gown, frock | Kleid | robe | vestido | ワンピース, ドレス
jumpsuit ; gown ; cloth ; dress ; high heels, handbag
jumpsuit, playsuit, romper | Jumpsuit, Overall | combinaison, combi-pantalon | mono, enterizo | オールインワン, ジャンプスーツ
skirt ; bottoms ; cloth ; skirt ; blouse, boots
skirt, midi skirt | Rock, Midirock | jupe | falda, pollera | スカート
trousers ; bottoms ; cloth ; trousers ; blouse, sweater, sneakers
trousers, pants, slacks | Hose, Stoffhose | pantalon, futal | pantalón, pantalones | パンツ, ズボン
blouse ; tops ; cloth ; top ; necklace
blouse, top, shirt | Bluse, Oberteil | chemisier, blouse | blusa, camisa | ブラウス, シャツ
sweater ; tops ; knit ; top ; boots
sweater, jumper, pullover, knitwear | Pullover, Strickpulli | pull, chandail | jersey, suéter | セーター, ニット
coat ; outerwear ; coating ; coat ; boots
coat, overcoat, jacket | Mantel, Jacke | manteau, veste | abrigo, chaqueta | コート, ジャケット
swimsuit ; beachwear ; none ; top ; sunglasses
swimsuit, bathing suit, bikini | Badeanzug, Bikini | maillot de bain | bañador, traje de baño | 水着, ビキニ

[accessories] wear, wearing
accessories, shoes and bags | Accessoires | accessoires, maroquinerie | accesorios, complementos | 小物, アクセサリー
high heels ; shoes ; hide ; heel ; handbag
high heels, pumps, stilettos | Pumps, Absatzschuhe, High Heels | escarpins, talons hauts | tacones, zapatos de tacón | ハイヒール, パンプス
sneakers ; shoes ; hide ; shoe ;
sneakers, trainers, tennis shoes | Turnschuhe, Sneaker | baskets, tennis | zapatillas, tenis | スニーカー, 運動靴
boots ; shoes ; hide ; boot ;
boots, ankle boots, booties | Stiefel, Stiefeletten | bottes, bottines | botas, botines | ブーツ
handbag ; bags ; hide ; bag ; sunglasses
handbag, purse, tote bag | Handtasche, Damentasche | sac à main, cabas | bolso, cartera | ハンドバッグ, トートバッグ
backpack ; bags ; hide ; bag ; water bottle, tent
backpack, rucksack, knapsack | Rucksack, Tagesrucksack | sac à dos | mochila, morral | リュック, バックパック
earrings ; jewellery ; jewel ; ring ; necklace
earrings, ear studs, hoops | Ohrringe, Ohrstecker | boucles d'oreilles, créoles | pendientes, aretes | ピアス, イヤリング
necklace ; jewellery ; jewel ; ring ;
necklace, pendant, choker | Halskette, Collier | collier, pendentif | collar, gargantilla | ネックレス, ペンダント
sunglasses ; eyewear ; frame ; glasses ;
sunglasses, shades, sunnies | Sonnenbrille | lunettes de soleil | gafas de sol, lentes de sol | サングラス

[beauty] wear, wearing
beauty, hair and makeup | Schönheit, Beauty | beauté, mise en beauté | belleza, estilismo | 美容, ビューティー
nails ; nail care ; finish ; hand ; nail polish
nails, nail art, manicure | Nägel, Nageldesign, Maniküre | ongles, manucure | uñas, manicura | ネイル, ネイルアート
nail polish ; nail care ; finish ; bottle ;
nail polish, nail varnish | Nagellack | vernis à ongles | esmalte de uñas, pintaúñas | マニキュア, ネイルポリッシュ
lipstick ; makeup ; finish ; bottle ; eye makeup
lipstick, lip color | Lippenstift | rouge à lèvres | pintalabios, labial | 口紅, リップ
eye makeup ; makeup ; finish ; face ;
eye makeup, eyeshadow, smokey eye | Augen-Make-up, Lidschatten | maquillage des yeux, fard à paupières | maquillaje de ojos, sombra de ojos | アイメイク, アイシャドウ
updo ; hairstyle ; none ; hair ; hair clip, earrings
updo, hair bun, chignon | Hochsteckfrisur, Dutt | chignon, coiffure relevée | recogido, moño | アップヘア, お団子ヘア
braids ; hairstyle ; none ; hair ; hair clip
braids, plaits, braided hair | Flechtfrisur, Zöpfe | tresses, nattes | trenzas, peinado trenzado | 三つ編み, 編み込み
bob ; hairstyle ; none ; hair ; hair clip
bob haircut, short haircut | Bob-Frisur, Kurzhaarschnitt | carré court, coupe au carré | corte bob, melena corta | ボブヘア, ショートヘア
hair clip ; hair piece ; trinket ; clip ;
hair clip, barrette, hair slide | Haarspange, Haarklammer | barrette, pince à cheveux | pinza de pelo, pasador | ヘアクリップ, 髪留め

[baking] diet, feast
baking, desserts | Backen, Nachtisch | pâtisserie, desserts | repostería, postres | お菓子作り, スイーツ
cake ; cakes ; sweet ; cake ; cake stand, candle
cake, layer cake, gateau | Kuchen, Torte | gâteau, génoise | pastel, tarta, bizcocho | ケーキ
cupcakes ; cakes ; sweet ; cupcake ; cake stand
cupcakes, muffins, fairy cakes | Cupcakes, Muffins, Törtchen | cupcakes, muffins | magdalenas, cupcakes | カップケーキ, マフィン
cheesecake ; cakes ; sweet ; pie ; cake stand
cheesecake | Käsekuchen, Quarkkuchen | cheesecake, gâteau au fromage | tarta de queso, cheesecake | チーズケーキ
cookies ; small bakes ; sweet ; cookie ; cookie cutter
cookies, biscuits | Kekse, Plätzchen | biscuits, sablés | galletas, galletitas | クッキー, ビスケット
pie ; small bakes ; sweet ; pie ;
pie, tart, galette | Tarte, Obstkuchen | tarte, tourte | tarta de frutas, pay | パイ, タルト
bread ; loaves ; sweet ; loaf ; cutting board
sweet bread, loaf bread, brioche | Brot, Hefezopf | pain, brioche | pan dulce, pan | 菓子パン, パン
cake stand ; baking tools ; clay ; table ;
cake stand, cake pedestal, dessert stand | Tortenständer, Kuchenplatte | présentoir à gâteaux, plat à gâteau | soporte para tartas, base de pastel | ケーキスタンド, ケーキ台
cookie cutter ; baking tools ; metalware ; cookie ;
cookie cutter, biscuit cutter | Ausstechform, Plätzchenausstecher | emporte-pièce, découpoir | cortador de galletas, cortapastas | クッキー型, 抜き型

[dinner] diet, meals
dinner, dinner recipes, supper | Abendessen, Hauptgericht | dîner, recettes du soir | cena, recetas de cena | 夕食, 晩ごはん
pasta ; starches ; savoury ; bowl ; salad
pasta, spaghetti, noodles | Nudeln, Pasta | pâtes, nouilles | pasta, fideos | パスタ, スパゲッティ
rice bowl ; starches ; savoury ; bowl ; soup
rice bowl, fried rice, risotto | Reisgericht, Reispfanne | riz sauté, risotto | arroz, bol de arroz | 丼, チャーハン
soup ; stews ; savoury ; bowl ; bread
soup, chowder, broth | Suppe, Eintopf | soupe, velouté, potage | sopa, crema, caldo | スープ, 汁物
curry ; stews ; savoury ; bowl ; rice bowl
curry, masala | Curry, Currygericht | curry, cari | curry, guiso al curry | カレー
salad ; cold dishes ; savoury ; plate ; soup
salad, slaw | Salat, Salatschüssel | salade, salade composée | ensalada | サラダ
pizza ; oven dishes ; savoury ; pizza ; salad
pizza, flatbread | Pizza, Flammkuchen | pizza, pissaladière | pizza, coca | ピザ
casserole ; oven dishes ; savoury ; pot ; saucepan
casserole, bake, gratin | Auflauf, Gratin | gratin, plat au four | gratinado, cazuela al horno | グラタン, オーブン焼き
tacos ; handheld ; savoury ; taco ; salad
tacos, burritos, wraps | Tacos, Wraps | tacos, wraps | tacos, burritos | タコス, ブリトー

[crafts] making, crafting
crafts, handicraft, diy crafts | Basteln, Handarbeit | loisirs créatifs, travaux manuels | manualidades, artesanía | 手芸, ハンドメイド
knitted hat ; knitting ; knit ; top ; yarn, knitting needles
knitted hat, beanie pattern | Strickmütze, Beanie | bonnet tricoté, bonnet au tricot | gorro de punto, gorro tejido | 編み帽子, ニット帽
crochet toy ; knitting ; knit ; yarn ; yarn
crochet toy, amigurumi, stuffed animal | Häkeltier, Amigurumi | doudou au crochet, amigurumi | muñeco de ganchillo, amigurumi | あみぐるみ, 編みぐるみ
yarn ; supplies ; knit ; yarn ;
yarn, knitting wool, skein | Strickgarn, Garn | pelote, fil à tricoter | ovillo, hilo de tejer | 毛糸, 編み糸
knitting needles ; supplies ; stick ; pole ; yarn
knitting needles, knitting pins | Stricknadeln | aiguilles à tricoter | agujas de tejer, agujas de punto | 編み針, 棒針
quilt ; needlework ; fabric ; square ; bedding
quilt, patchwork blanket | Patchworkdecke, Quilt | courtepointe, couverture patchwork | colcha, edredón de retales | キルト, パッチワーク
embroidery ; needlework ; fabric ; hoop ;
embroidery hoop, hand embroidery, cross stitch | Stickbild, Stickerei | broderie, point de croix | bordado, punto de cruz | 刺繍, クロスステッチ
macrame ; wall craft ; knit ; banner ; plant pot
macrame wall hanging, knotted wall decor | Makramee, Wandbehang | macramé, suspension murale | macramé, tapiz de nudos | マクラメ, 壁掛け
candle ; wax craft ; scented ; candle ; centerpiece
candle, scented candle | Kerze, Duftkerze | bougie, bougie parfumée | vela, vela aromática | キャンドル, ろうそく

[party] event, celebrating
party decor, celebration | Feier, Partydeko | fête, décoration de fête | fiesta, decoración de fiesta | パーティー, お祝い
bouquet ; flowers ; ribbon ; flower ; dress, centerpiece
bouquet, flower arrangement, posy | Blumenstrauß, Strauß | bouquet, gerbe de fleurs | ramo de flores, ramillete | ブーケ, 花束
centerpiece ; flowers ; clay ; flower ; place cards
table centerpiece, table decoration | Tischdeko, Tischgesteck | centre de table, décoration de table | centro de mesa, arreglo de mesa | テーブル装花, センターピース
invitation ; stationery ; paperware ; card ; place cards
invitation card, invite | Einladungskarte, Einladung | carton d'invitation, faire-part | invitación, tarjeta de invitación | 招待状, 招待カード
place cards ; stationery ; paperware ; card ;
place cards, name cards, escort cards | Tischkarten, Platzkarten | marque-place, porte-nom | tarjetas de mesa, marcasitios | 席札, ネームカード
balloon arch ; hangings ; none ; balloon ; backdrop, cake
balloon arch, balloon garland | Ballongirlande, Luftballons | arche de ballons, guirlande de ballons | arco de globos, globos | バルーンアーチ, 風船
banner ; hangings ; paperware ; banner ; balloon arch
bunting banner, paper garland | Wimpelkette, Girlande | banderole, fanions | banderines, guirnalda | ガーランド, フラッグバナー
backdrop ; hangings ; fabric ; curtain ;
photo backdrop, photo booth wall | Fotohintergrund, Fotowand | fond photo, mur à selfie | fondo para fotos, photocall | フォトブース, 背景布
gift box ; gifts ; paperware ; box ; invitation
gift box, party favors, goodie bag | Geschenkbox, Gastgeschenk | boîte cadeau, ballotin | caja de regalo, recuerdos | ギフトボックス, プチギフト

[camping] outing, trip
camping, hiking trip | Camping, Zelten | camping, bivouac | acampada, campismo | キャンプ, アウトドア
tent ; shelter ; gear ; tent ; sleeping bag, lantern, camp stove
tent, dome tent, camping shelter | Zelt, Kuppelzelt | tente, toile de tente | tienda de campaña, carpa | テント
sleeping bag ; shelter ; gear ; sack ;
sleeping bag, camping quilt | Schlafsack | sac de couchage, duvet de camping | saco de dormir, bolsa de dormir | 寝袋, シュラフ
camp stove ; camp kitchen ; metalware ; fire ; cool box, saucepan
camp stove, camping cooker | Campingkocher, Gaskocher | réchaud, réchaud de camping | hornillo, cocina de camping | キャンプコンロ, バーナー
cool box ; camp kitchen ; none ; box ; water bottle
cool box, cooler, ice chest | Kühlbox, Kühltasche | glacière, sac isotherme | nevera portátil, hielera | クーラーボックス, 保冷バッグ
water bottle ; camp kitchen ; flask ; bottle ;
water bottle, thermos flask | Trinkflasche, Thermosflasche | gourde, bouteille isotherme | botella de agua, termo | 水筒, ウォーターボトル
camping chair ; camp furniture ; gear ; chair ; tent, fire pit
camping chair, folding chair | Campingstuhl, Klappstuhl | chaise de camping, chaise pliante | silla de camping, silla plegable | キャンプチェア, 折りたたみ椅子
lantern ; camp lighting ; metalware ; lantern ;
camping lantern, camp light | Campinglaterne, Zeltlampe | lanterne, lampe de camping | farol, linterna de camping | ランタン
trekking poles ; hiking ; stick ; pole ; backpack, boots
trekking poles, hiking sticks | Wanderstöcke, Trekkingstöcke | bâtons de randonnée | bastones de senderismo, bastones | トレッキングポール, 登山杖
"""  # noqa: E501 one thing, one line
