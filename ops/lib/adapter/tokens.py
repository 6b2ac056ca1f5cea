"""Byte pairs, as a GGUF file of this family lists them."""

import re

SPECIAL = re.compile(r"(<\|im_(?:start|end)\|>)")
# Digits stand alone, a word takes the space before it: of ASCII, which generated sums are made of.
WORD = re.compile(r"[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def printable():
    """The character that stands for each byte in the lists: itself where it can be seen, else one further up."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


class Tokenizer:
    """Text to ids; template tokens in the text are read as such."""

    def __init__(self, tokens, merges):
        self.ids = {token: number for number, token in enumerate(tokens)}
        self.ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
        self.characters = printable()
        self.words = {}

    def __call__(self, text):
        ids = []
        for part in SPECIAL.split(text):
            if SPECIAL.fullmatch(part):
                ids.append(self.ids[part])
            else:
                for word in WORD.findall(part):
                    ids += self.word(word)
        return ids

    def word(self, word):
        if word not in self.words:
            parts = [self.characters[byte] for byte in word.encode()]
            while len(parts) > 1:
                ranked = [(self.ranks.get(pair), place) for place, pair in enumerate(zip(parts, parts[1:]))]
                known = [entry for entry in ranked if entry[0] is not None]
                if not known:
                    break
                place = min(known)[1]
                parts[place:place + 2] = [parts[place] + parts[place + 1]]
            self.words[word] = [self.ids[part] for part in parts]
        return self.words[word]
