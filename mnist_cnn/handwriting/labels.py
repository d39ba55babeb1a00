"""Find the labels of one's own pictures: in a table, in the names of the folders, or in the names of the files."""

import csv
import io
import os
import re
from pathlib import Path

TABLE = "labels.csv"  # beside the pictures: a row for each, with its file name and what it shows


def find_labels(paths, class_names):
    """Return ({path: label}, where the labels are). The first place that has them counts; ({}, "") if there is none.

    1. labels.csv in the folder of the pictures, with or without a head: name of the file, label.
    2. The name of each picture's folder, if all are classes.
    3. The beginning or the end of each file's name, if all are classes: 7-a.jpg, a_7.png.

    paths: of the pictures. Labels are text: the name of a class, or in a table also of several, such as 1987.
    Raises ValueError for a table that is not UTF-8, or has rows without a label.
    """
    tables = sorted({os.path.join(os.path.dirname(path), TABLE) for path in paths})
    rows = {path: label for table in tables if os.path.isfile(table) for path, label in _rows(table)}
    if labels := {path: rows[os.path.normpath(path)] for path in paths if os.path.normpath(path) in rows}:
        return labels, TABLE
    folders = {path: [Path(path).absolute().parent.name] for path in paths}
    words = {path: re.split(r"[-_ .]+", Path(path).stem) for path in paths}
    for place, names in {"the names of the folders": folders, "the names of the files": words}.items():
        labels = {path: name for path in paths for name in (names[path][-1], names[path][0]) if name in class_names}
        if paths and len(labels) == len(paths):
            return labels, place
    return {}, ""


def _rows(table):
    """The path and the label of each row of a table."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            text = file.read()
        delimiter = max(",;\t", key=text.partition("\n")[0].count)  # spreadsheets write semicolons in many countries
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [[cell.strip() for cell in row] for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table}: expected a table in UTF-8, found another ({error}): save it as CSV UTF-8") from None
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or not row[1]:
            raise ValueError(f"{table}: expected the name of a file and a label in row {number}, found {row}")
        yield os.path.normpath(os.path.join(os.path.dirname(table), row[0])), row[1]
