"""What people, shops and websites of each language write around the facts: frames, marketing, and nothing at all.

`{}` in a frame is where the noun phrase goes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """The stock phrases of one language."""

    something: str  # the noun where the thing is not named
    title_frames: tuple[str, ...]
    vague_titles: tuple[str, ...]
    sentences: tuple[str, ...]
    fluff: tuple[str, ...]
    beside: tuple[str, ...]  # names another thing than the Pin's own
    ideas: tuple[str, ...]
    board_frames: tuple[str, ...]
    vague_boards: tuple[str, ...]
    page_titles: tuple[str, ...]
    useless_pages: tuple[str, ...]
    page_details: tuple[str, ...]


_ENGLISH = Phrases(
    something="find",
    title_frames=("{}", "{}", "10 gorgeous {} ideas", "the best {} you'll ever see", "{} | inspo", "{} ✨", "DIY {}"),
    vague_titles=("love this!", "obsessed 😍", "so pretty", "IMG_2043", "my favourites", "need this in my life", "wow"),
    sentences=("This {} is everything.", "Dreaming of a {} like that.", "{} done right.", "A {} that lasts."),
    fluff=(
        "Click through for more inspiration!",
        "Save this Pin for later.",
        "Limited time offer, free shipping on all orders.",
        "I can't stop looking at it.",
        "You won't believe how simple it was.",
        "Follow me for daily ideas ❤️",
    ),
    beside=("Looks great with a {}.", "Shop the matching {} too.", "Pair it with your favourite {}!"),
    ideas=("ideas", "inspo", "inspiration", "aesthetic"),
    board_frames=("{}", "{}", "{} ideas", "{} inspo ✨", "dream {}", "my {}"),
    vague_boards=("stuff", "misc", "love", "❤️", "to try", "my style", "pretty things", "2026"),
    page_titles=("{} - Buy online", "{} | The Good Store", "How to choose {}", "{} – reviews and price"),
    useless_pages=("Home | Shop", "404 Not Found", "Untitled", "Access denied", "Welcome!", "Loading…"),
    page_details=(
        "Our {} comes in several sizes.",
        "{}, in stock, delivered in 3 days.",
        "All about this {}, step by step.",
    ),
)
_GERMAN = Phrases(
    something="Fundstück",
    title_frames=(
        "{}",
        "{}",
        "10 tolle Ideen: {}",
        "{} zum Verlieben",
        "{} | Inspiration",
        "{} ✨",
        "{} selber machen",
    ),
    vague_titles=("so schön!", "verliebt 😍", "will ich haben", "IMG_2043", "meine Favoriten", "Traum", "wow"),
    sentences=("{} – einfach ein Traum.", "So gelingt es: {}.", "{}, wie ich es mag.", "Endlich gefunden: {}."),
    fluff=(
        "Klick dich durch für mehr Inspiration!",
        "Merk dir diesen Pin für später.",
        "Nur für kurze Zeit, versandkostenfrei.",
        "Ich kann nicht aufhören hinzusehen.",
        "So einfach geht das!",
        "Folge mir für tägliche Ideen ❤️",
    ),
    beside=("Passt super zu: {}.", "Dazu passend im Shop: {}.", "Am besten zusammen mit {}!"),
    ideas=("Ideen", "Inspiration", "Inspo"),
    board_frames=("{}", "{}", "{} Ideen", "{} ✨", "Traum {}", "mein {}"),
    vague_boards=("Krimskrams", "Allerlei", "schön", "❤️", "ausprobieren", "mein Stil", "2026"),
    page_titles=("{} online kaufen", "{} | Der gute Laden", "Ratgeber: {}", "{} – Test und Preis"),
    useless_pages=("Startseite | Shop", "404 Nicht gefunden", "Ohne Titel", "Zugriff verweigert", "Willkommen!"),
    page_details=(
        "{} in mehreren Größen.",
        "{}, auf Lager, Lieferung in 3 Tagen.",
        "Alles über {}, Schritt für Schritt.",
    ),
)
_FRENCH = Phrases(
    something="trouvaille",
    title_frames=(
        "{}",
        "{}",
        "10 idées : {}",
        "{} : nos coups de cœur",
        "{} | inspiration",
        "{} ✨",
        "{} à faire soi-même",
    ),
    vague_titles=("j'adore !", "coup de cœur 😍", "trop beau", "IMG_2043", "mes favoris", "il me le faut", "waouh"),
    sentences=("{} : un vrai bonheur.", "On rêve toutes de ça : {}.", "{} comme je l'aime.", "Enfin trouvé : {}."),
    fluff=(
        "Cliquez pour plus d'inspiration !",
        "Enregistrez cette épingle pour plus tard.",
        "Offre limitée, livraison gratuite.",
        "Je ne m'en lasse pas.",
        "C'est plus simple qu'on ne le croit !",
        "Suivez-moi pour des idées chaque jour ❤️",
    ),
    beside=("Parfait avec : {}.", "À assortir dans la boutique : {}.", "À marier avec {} !"),
    ideas=("idées", "inspiration", "inspo"),
    board_frames=("{}", "{}", "idées {}", "{} ✨", "{} de rêve", "mes envies {}"),
    vague_boards=("divers", "en vrac", "j'aime", "❤️", "à essayer", "mon style", "2026"),
    page_titles=("{} - acheter en ligne", "{} | La bonne boutique", "Bien choisir : {}", "{} – avis et prix"),
    useless_pages=("Accueil | Boutique", "404 Page introuvable", "Sans titre", "Accès refusé", "Bienvenue !"),
    page_details=("{} en plusieurs tailles.", "{}, en stock, livraison en 3 jours.", "Tout sur {}, pas à pas."),
)
_SPANISH = Phrases(
    something="hallazgo",
    title_frames=(
        "{}",
        "{}",
        "10 ideas de {}",
        "{} que te van a encantar",
        "{} | inspiración",
        "{} ✨",
        "{} hecho en casa",
    ),
    vague_titles=("¡me encanta!", "obsesionada 😍", "qué bonito", "IMG_2043", "mis favoritos", "lo necesito", "guau"),
    sentences=("{}: una maravilla.", "Así se hace: {}.", "{} como a mí me gusta.", "Por fin lo encontré: {}."),
    fluff=(
        "¡Haz clic para más inspiración!",
        "Guarda este Pin para después.",
        "Oferta limitada, envío gratis.",
        "No puedo dejar de mirarlo.",
        "¡Es más fácil de lo que crees!",
        "Sígueme para ideas cada día ❤️",
    ),
    beside=("Queda genial con: {}.", "Compra también a juego: {}.", "¡Combínalo con {}!"),
    ideas=("ideas", "inspiración", "diseños"),
    board_frames=("{}", "{}", "ideas {}", "{} ✨", "{} de ensueño", "mi {}"),
    vague_boards=("varios", "cositas", "bonito", "❤️", "por probar", "mi estilo", "2026"),
    page_titles=("{} - comprar en línea", "{} | La buena tienda", "Cómo elegir {}", "{} – opiniones y precio"),
    useless_pages=("Inicio | Tienda", "404 No encontrado", "Sin título", "Acceso denegado", "¡Bienvenidos!"),
    page_details=("{} en varios tamaños.", "{}, en existencias, entrega en 3 días.", "Todo sobre {}, paso a paso."),
)
_JAPANESE = Phrases(
    something="アイテム",
    title_frames=("{}", "{}", "{}のアイデア10選", "おすすめの{}", "{}まとめ", "{} ✨", "手作り{}"),
    vague_titles=("かわいい!", "最高 😍", "すてき", "IMG_2043", "お気に入り", "ほしい", "すごい"),
    sentences=("{}がすてきです。", "こんな{}に憧れます。", "{}の作り方と選び方。", "やっと見つけた{}。"),
    fluff=(
        "続きはリンクから!",
        "あとで見返せるように保存してね。",
        "期間限定、送料無料。",
        "ずっと見ていられます。",
        "思ったより手軽でした。",
        "フォローして毎日チェック ❤️",
    ),
    beside=("{}ともよく合います。", "おそろいの{}も販売中。", "お気に入りの{}と一緒にどうぞ!"),
    ideas=("アイデア", "おしゃれ", "インスピレーション"),
    board_frames=("{}", "{}", "{}アイデア", "{} ✨", "憧れの{}", "わたしの{}"),
    vague_boards=("いろいろ", "メモ", "すき", "❤️", "やってみたい", "2026"),
    page_titles=("{}の通販", "{}|グッドストア", "{}の選び方", "{} 口コミと価格"),
    useless_pages=("ホーム|ショップ", "404 ページが見つかりません", "無題", "アクセスできません", "ようこそ!"),
    page_details=("{}はサイズも豊富です。", "{}、在庫あり、3日でお届け。", "{}について、順を追って説明します。"),
)
PHRASES = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _JAPANESE)
