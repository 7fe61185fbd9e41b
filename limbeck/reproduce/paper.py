"""What the paper found (arXiv 2410.17152), as far as it was found quoted; what was not found stays blank."""

from limbeck.measure.reproduction import Quoted

NOTE = "quoted in a public reading note"  # one that names figures of the paper's tables
BLOG = "the authors' engineering blog, as others quote it"
TALK = "the authors' talk of 2025, as summarised by others"

CLAIMS = {
    1: "Language models beat the cosine of SearchSAGE vectors, and larger ones beat smaller ones.",
    2: "Each further source of text helps: captions, and what users did (board titles, engaged queries) above all.",
    3: "More pairs labelled by the teacher make a better student, up to a hundred times the human labels.",
    4: "A multilingual teacher carries relevance into languages and countries in which nobody labelled anything.",
    5: "Embeddings, text match and what users did each add to the student.",
}
FIGURES = {
    1: (
        Quoted("SearchSAGE, accuracy"),
        Quoted("multilingual BERT-base, accuracy"),
        Quoted("T5-base, accuracy"),
        Quoted("mDeBERTa-V3-base, accuracy"),
        Quoted("XLM-RoBERTa-large, accuracy"),
        Quoted("Llama-3-8B, accuracy", "0.602", NOTE),
        Quoted("Llama-3-8B over SearchSAGE, accuracy", "+19.7 %", "a summary of the paper; +20 % in the talk"),
        Quoted("Llama-3-8B over multilingual BERT-base, accuracy", "+12 %", TALK),
    ),
    2: (Quoted("accuracy, source by source"),),
    3: (
        Quoted("student without teacher labels, accuracy"),
        Quoted("student by amount of teacher labels, accuracy"),
        Quoted("student as served, accuracy", "0.548", NOTE),
        Quoted("its teacher, accuracy", "0.602", NOTE),
    ),
    4: (
        Quoted("accuracy by language"),
        Quoted("nDCG@20 of the search feed, online", "+2.18 %", BLOG),
        Quoted("search fulfilment, online, in the US", "+0.7 %", NOTE),
        Quoted("search fulfilment, online, elsewhere", "+2.0 %", NOTE),
    ),
    5: (Quoted("student without a signal, accuracy"),),
}
