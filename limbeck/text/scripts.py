"""Scripts in which words are not, or not reliably, set apart by spaces."""

# Han, kana, Hangul, Thai, Lao, Myanmar, Khmer: a character class for regular expressions.
UNSPACED = (
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]"
)
