#!/usr/bin/env python3
"""Write pairs of prompts as rows of token ids, as for Secateur's `Tokens` task.

Usage: prompts.py MODEL_FOLDER SET OUT [PAIRS]

Each prompt has 15 tokens. In the set `late` clean and corrupt are the same up to token 10 (from 0), so that the
activations of the first ten positions are shared; in `early` only token 0 is shared. With a folder that has a
vocabulary.json the prompts are sentences about an indirect object, otherwise random ids, all from one seed.
"""

import json
import pathlib
import random
import sys

LENGTH = 15
FIRST_DIFFERENT = {"late": 10, "early": 1}
NAMES = "Mary John Alice Tom James David Anna Paul Sarah Mark Kate Peter Jack Emma Lisa Robert".split()
PLACES = "store park school house office station garden museum".split()
GIFTS = "drink book letter ring key flower ball card".split()


def random_rows(vocabulary, first, pairs, draw):
    """Rows of distinct random ids; corrupt differs from clean at every token from `first` on."""
    rows = []
    for _ in range(pairs):
        ids = draw.sample(range(vocabulary), 2 * LENGTH + 2)
        clean = ids[:LENGTH]
        corrupt = clean[:first] + ids[LENGTH + first : 2 * LENGTH]
        rows.append({"clean": clean, "corrupt": corrupt, "answer": ids[-2:-1], "wrong": ids[-1:]})
    return rows


def sentence(ids, first, second, giver, place, gift, opening="When", verb="went", gave="gave"):
    """The ids of a sentence, with the beginning-of-sequence token 1 in front."""
    words = f"{opening} {first} and {second} {verb} to the {place} , {giver} {gave} a {gift} to".split()
    pieces = [words[0]] + [word if word == "," else f"\u0120{word}" for word in words[1:]]
    return [1] + [ids[piece] for piece in pieces]


def sentence_rows(ids, kind, pairs, draw):
    """Clean sentences, where the giver is the second name. In `late` the corrupt one has the first name as the giver;
    in `early` it is about other people."""
    rows = []
    for _ in range(pairs):
        a, b, c, d = draw.sample(NAMES, 4)
        place, other_place = draw.sample(PLACES, 2)
        gift, other_gift = draw.sample(GIFTS, 2)
        clean = sentence(ids, a, b, b, place, gift)
        if kind == "late":
            corrupt = sentence(ids, a, b, a, place, gift)
        else:
            corrupt = sentence(ids, c, d, c, other_place, other_gift, "While", "walked", "sold")
        rows.append({"clean": clean, "corrupt": corrupt, "answer": [ids[f"\u0120{a}"]], "wrong": [ids[f"\u0120{b}"]]})
    return rows


def main():
    folder, kind, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 16
    draw = random.Random(0)
    vocabulary = folder / "vocabulary.json"
    if vocabulary.exists():
        rows = sentence_rows(json.loads(vocabulary.read_text()), kind, pairs, draw)
    else:
        size = json.loads((folder / "config.json").read_text())["vocab_size"]
        rows = random_rows(size, FIRST_DIFFERENT[kind], pairs, draw)
    for row in rows:
        assert len(row["clean"]) == len(row["corrupt"]) == LENGTH, row
        differ = [x != y for x, y in zip(row["clean"], row["corrupt"])]
        assert differ.index(True) == FIRST_DIFFERENT[kind], row
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
