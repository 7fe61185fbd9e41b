"""The paper's tables on one's own data: variants of a run, side by side (`limbeck reproduce`)."""
