"""The paper's claims as executable comparisons over records: `statements` lists them, `report` writes the verdicts.

`comparisons` compares table cells, by the statistics of `estimates` and `spreads`; `findings` says what a verdict is.
Every other module judges one claim that rests on records of its own.
"""
