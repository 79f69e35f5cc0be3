"""driver: derive `concrete_nouns.txt` from WordNet 3.0 and the SCOWL word list. A tool, not imported by anything.

A word is kept when it is one lower-case word of at least three letters, in WordNet's noun index and in the small SCOWL list (so it is
common), none of a few words too general to name a thing (`TOO_GENERAL`), and names a thing one can see: it has a sense in WordNet's
files animal, artifact, body, food, object, person, plant or substance. How WordNet's sense-tagged text uses the word decides:

* at least `ENOUGH` tagged uses, and a third or more of them such a thing: kept as it is;
* enough tagged uses, but only a third of the uses *as a noun* ("to bear", "a bear"): kept with a `~`, to count only after a determiner;
* too few tagged uses: kept when its first noun sense is such a thing and it is no adjective or adverb; with a `~` when it is a verb, too.

`ALSO` adds a few words that WordNet files under other headings. The output holds one noun a line, in the singular; a line
`plural singular` gives an irregular plural.

    python make_nouns.py --wordnet /usr/share/wordnet --words /usr/share/dict/american-english-small --out concrete_nouns.txt

The inputs are in the Debian packages `wordnet-base` and `wamerican-small`.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: WordNet's files animal, artifact, body, food, object, person, plant, substance.
CONCRETE: Final = frozenset({5, 6, 8, 13, 17, 18, 20, 27})
#: Fewer tagged uses than this say nothing.
ENOUGH: Final = 4
ALSO: Final[frozenset[str]] = frozenset(
    """
    animal book cloud crowd fire food letter magazine movie newspaper person rain
    snow
    """.split()  # noqa: SIM905
)
TOO_GENERAL: Final[frozenset[str]] = frozenset(
    """
    thing object artifact item piece part unit whole way end side top bottom
    back front line point mark block section stuff material substance matter
    body product creation structure instrument device system means work works
    one other another someone somebody anyone self individual soul
    mortal guy kind sort set lot number case means subject head
    """.split()  # noqa: SIM905
)
HEADER: Final = """\
# Concrete nouns: names of things one can see, for finding the objects that a
# text mentions. One noun a line, in the singular; "plural singular" gives an
# irregular plural; "~noun" counts only right after a determiner (a bear, but not
# to bear). Made by make_nouns.py; do not edit by hand.
#
# Derived from WordNet 3.0 (Debian package wordnet-base), limited to the words
# of SCOWL's small list (Debian package wamerican-small). Both allow use, copy,
# change and redistribution for any purpose and without fee, with their notices:
#
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
# THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES
# NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT
# NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF
# MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE
# LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY
# PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.
# The name of Princeton University or Princeton may not be used in advertising
# or publicity pertaining to distribution of the software and/or database. Title
# to copyright in this software, database and any associated documentation shall
# at all times remain with Princeton University and LICENSEE agrees to preserve
# same.
#
# SCOWL: Copyright 2000-2011 by Kevin Atkinson. Permission to use, copy, modify,
# distribute and sell these word lists, the associated scripts, the output
# created from the scripts, and its documentation for any purpose is hereby
# granted without fee, provided that the above copyright notice appears in all
# copies and that both that copyright notice and this permission notice appear in
# supporting documentation. Kevin Atkinson makes no representations about the
# suitability of this array for any purpose. It is provided "as is" without
# express or implied warranty.
"""


@dataclass(frozen=True, slots=True)
class Uses:
    """How often WordNet's tagged text uses each lemma: at all, as a noun, and as a thing one can see."""

    all: Counter[str] = field(default_factory=Counter)
    noun: Counter[str] = field(default_factory=Counter)
    thing: Counter[str] = field(default_factory=Counter)


def entries(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line of a WordNet file, without the licence at its head."""
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith(" "):
            yield line.split()


def lemmas(wordnet: Path, *kinds: str) -> set[str]:
    """Return the lemmas of the named word classes."""
    return {fields[0] for kind in kinds for fields in entries(wordnet / f"index.{kind}")}


def first_files(wordnet: Path) -> dict[str, int]:
    """Return, for every noun, the number of the file that holds its first sense."""
    files = {fields[0]: int(fields[1]) for fields in entries(wordnet / "data.noun")}
    return {fields[0]: files[fields[-int(fields[2])]] for fields in entries(wordnet / "index.noun")}


def uses_in(wordnet: Path) -> Uses:
    """Return how often each lemma is tagged."""
    uses = Uses()
    for key, _, count in entries(wordnet / "cntlist.rev"):
        lemma, _, rest = key.partition("%")
        word_class, file = rest.split(":")[:2]
        uses.all[lemma] += int(count)
        if word_class == "1":
            uses.noun[lemma] += int(count)
            if int(file) in CONCRETE:
                uses.thing[lemma] += int(count)
    return uses


def chosen(wordnet: Path, common: Set[str]) -> tuple[set[str], set[str]]:
    """Return the nouns that count anywhere, and those that count after a determiner only."""
    uses, verbs, qualities = uses_in(wordnet), lemmas(wordnet, "verb"), lemmas(wordnet, "adj", "adv")
    plain, guarded = set(ALSO), set[str]()
    for word, file in first_files(wordnet).items():
        if not re.fullmatch("[a-z]{3,}", word) or word not in common or word in TOO_GENERAL | ALSO:
            continue
        things = uses.thing[word]
        if uses.all[word] < ENOUGH:
            if file in CONCRETE and word not in qualities:
                (guarded if word in verbs else plain).add(word)
        elif 3 * things >= uses.all[word]:
            plain.add(word)
        elif things and 3 * things >= uses.noun[word]:
            guarded.add(word)
    return plain - {word for word in plain if word.endswith("s") and word[:-1] in plain}, guarded


def irregular_plurals(wordnet: Path, common: Set[str], known: Set[str]) -> dict[str, str]:
    """Return the singular of every irregular plural of a known noun."""
    found = {"people": "person"}
    for plural, singular, *_ in entries(wordnet / "noun.exc"):
        if singular in known and plural in common and plural not in known:
            found.setdefault(plural, singular)
    return found


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("wordnet", "words", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    common = set(given.words.read_text("utf-8").splitlines())
    plain, guarded = chosen(given.wordnet, common)
    plurals = irregular_plurals(given.wordnet, common, plain | guarded)
    nouns = [word if word in plain else f"~{word}" for word in sorted(plain | guarded)]
    pairs = [f"{plural} {plurals[plural]}" for plural in sorted(plurals)]
    given.out.write_text(HEADER + "\n".join([*nouns, *pairs]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
