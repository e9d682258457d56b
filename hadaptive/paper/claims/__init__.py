"""The paper's claims as executable comparisons over records: `statements` lists them, `report` writes the verdicts.

`comparisons` compares table cells; every other module judges one claim that rests on records of its own (`findings`).
"""
