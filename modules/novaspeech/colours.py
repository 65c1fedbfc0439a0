"""The colours of pages, pictures and tiers."""

# Okabe and Ito's colours, for all kinds of eyes, without the two that are too light or too dark for a theme.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
FAINTEST, STRONGEST = 0.12, 0.7  # opacity of segments with confidence 0 and 1
