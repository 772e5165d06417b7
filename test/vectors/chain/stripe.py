#!/usr/bin/env python3
"""Second implementation of the shuffle of docs/internals/chain-table.md, written from that page alone.
Prints the vectors of stripe.json: python3 test/vectors/chain/stripe.py > test/vectors/chain/stripe.json"""
import json

MASK = 0xFFFFFFFF


def rotate(word, bits):
    return ((word << bits) | (word >> (32 - bits))) & MASK


def words(seed):
    state, mixed = [], seed
    for _ in range(4):
        mixed = (mixed + 0x9E3779B9) & MASK
        word = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & MASK
        word = ((word ^ (word >> 13)) * 0xC2B2AE35) & MASK
        state.append(word ^ (word >> 16))
    return state


def numbers(seed):
    a, b, c, d = words(seed)
    while True:
        yield (rotate((b * 5) & MASK, 7) * 9) & MASK
        t = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        d = rotate(d, 11)


def stripe(count, length, seed):
    places, source = list(range(count)), numbers(seed)
    for place in range(min(length, count)):
        other = place + (next(source) * (count - place) >> 32)
        places[place], places[other] = places[other], places[place]
    return places[: min(length, count)]


CASES = [(1, 1, 0), (1, 4, 7), (2, 2, 0), (2, 2, 1), (3, 3, 42), (7, 3, 0xFFFFFFFF), (10, 10, 5), (10, 10, 6),
         (64, 16, 1234567), (1000, 8, 99), (1 << 20, 5, 0xDEADBEEF)]
vectors = [{"chains": c, "stripe": s, "seed": z, "places": stripe(c, s, z)} for c, s, z in CASES]
print(json.dumps({"source": "stripe.py beside this file", "vectors": vectors}, indent=1))
