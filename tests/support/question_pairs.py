"""Pairs of programming questions: near-copies, and different ones that look alike in part."""

# ruff: noqa: RUF001 - the punctuation of Chinese

_READING = (
    "Read an integer n (1 <= n <= 200000) from the first line, then n integers a_1..a_n "
    "(1 <= a_i <= 10^9) from the second line, separated by single spaces. "
)
_PRINT = " Print one integer: the answer. Time limit: 2 seconds. Memory limit: 256 MB."

_LADDER = (
    "Alice is climbing a staircase with n steps (1 <= n <= 90). With each move she can climb "
    "either one or two steps. Some steps are broken and she must never stand on them. Read n and "
    "m, then m numbers of broken steps. Print the number of different ways in which Alice can "
    "reach the top step, modulo 1000000007."
)
_SHELVES = (
    "A warehouse has n parcels in a row, the i-th of which weighs w_i kilograms. A robot may carry "
    "at most C kilograms at once and always takes consecutive parcels from the left. The first "
    "line holds n and C, the second line n weights. Print the least number of trips that the robot "
    "needs to move all parcels, or -1 if some parcel is too heavy for it."
)
_ISLANDS = (
    "You are given a map of r rows and c columns (1 <= r, c <= 1000). Each cell is either water, "
    "written as '.', or land, written as '#'. Two land cells belong to the same island if they "
    "share a side. Print the number of islands and the size of the largest island, separated by "
    "a space. If there is no land, print '0 0'."
)
_COURIER = (
    "A city has n crossings and m two-way roads; road i joins u_i and v_i and takes t_i minutes. "
    "A courier starts at crossing 1 and has to deliver a letter to crossing n. Exactly once on the "
    "way she may use a shortcut that halves the time of one road, rounded down. Print the least "
    "number of minutes that the courier needs, or -1 if crossing n cannot be reached."
)
_BRACKETS = (
    "You are given a string s of length at most 100000 that consists of the characters (, ), [, ], "
    "{ and }. Find the length of the longest contiguous substring of s that is correctly "
    "bracketed, where every opening bracket is closed by one of its own kind. Print that length."
)
_STOCKS_ZH = (
    "给定一个长度为 n 的数组 p，其中 p_i 表示某只股票第 i 天的价格。你最多可以完成两笔交易，"
    "但必须在再次购买前卖出之前的股票。第一行输入整数 n（1 ≤ n ≤ 100000），第二行输入 n 个整数。"
    "请输出你能够获得的最大利润；如果无法获利，则输出 0。"
)

COPIES = {
    "other names": (_LADDER, _LADDER.replace("Alice", "Boris").replace("she", "he")),
    "other numbers": (
        _LADDER,
        _LADDER.replace("90", "5000").replace("1000000007", "998244353"),
    ),
    "other story words": (
        _SHELVES,
        _SHELVES.replace("warehouse", "harbour")
        .replace("parcels", "crates")
        .replace("parcel", "crate")
        .replace("robot", "crane"),
    ),
    "some sentences said otherwise": (
        _SHELVES,
        (
            "A warehouse has n parcels in a row, the i-th of which weighs w_i kg. A robot can carry at "
            "most C kg at a time and always takes consecutive parcels from the left. Input: the first "
            "line holds n and C, the second line the n weights. Output the least number of trips that "
            "the robot needs to move all parcels, or -1 if some parcel is too heavy for it."
        ),
    ),
    "other symbols": (
        _ISLANDS,
        _ISLANDS.replace("'.'", "'0'").replace("'#'", "'1'").replace("land", "forest"),
    ),
    "other case and white space": (_ISLANDS, "\n\n".join(_ISLANDS.upper().split(". "))),
    "a section of samples added": (
        _ISLANDS,
        _ISLANDS + "\n\nSample input:\n3 3\n#.#\n.#.\n#.#\n\nSample output:\n5 1\n",
    ),
    "an introduction added": (
        _COURIER,
        "Letters have to be on time, even in the rush hour. " + _COURIER + " Good luck!",
    ),
    "sentences in another order": (
        _COURIER,
        (
            "Print the least number of minutes that the courier needs, or -1 if crossing n cannot be "
            "reached. A city has n crossings and m two-way roads; road i joins u_i and v_i and takes "
            "t_i minutes. Exactly once on the way she may use a shortcut that halves the time of one "
            "road, rounded down. A courier starts at crossing 1 and has to deliver a letter to "
            "crossing n."
        ),
    ),
    "a constraint more": (
        _BRACKETS,
        _BRACKETS + " The string may be empty; then print 0.",
    ),
    "typographic signs and accents": (
        _BRACKETS.replace("string", "na\u00efve string"),
        _BRACKETS.replace("string", "nai\u0308ve string").replace(" - ", "\u2014"),
    ),
    "Chinese, other numbers and things": (
        _STOCKS_ZH,
        _STOCKS_ZH.replace("股票", "债券").replace("100000", "200000").replace("获得", "得到"),
    ),
    "Chinese, one sentence said otherwise": (
        _STOCKS_ZH,
        _STOCKS_ZH.replace("请输出你能够获得的最大利润", "输出可以得到的最大总利润"),
    ),
}

DIFFERENT = {
    "shared reading and printing, sums and inversions": (
        _READING + "Find the largest sum of a contiguous subarray." + _PRINT,
        _READING + "Count the pairs i < j for which a_i is greater than twice a_j." + _PRINT,
    ),
    "shared reading and printing, subsequences and gcd": (
        _READING
        + "Find the length of the longest strictly increasing subsequence in which any two "
        "neighbouring members differ by at most 100." + _PRINT,
        _READING
        + "You may remove at most one number. Find the greatest common divisor of those that stay, "
        "as large as it can be made." + _PRINT,
    ),
    "stairs": (
        _LADDER,
        (
            "Alice is climbing a staircase with n steps. Standing on step i costs her c_i coins, and "
            "with each move she can skip up to k steps. Read n and k, then the n costs. Print the "
            "fewest coins with which she can get from the ground to the top."
        ),
    ),
    "parcels": (
        _SHELVES,
        (
            "A warehouse has n parcels, the i-th of which weighs w_i kilograms and is worth v_i euros. "
            "A van can carry at most C kilograms. The first line holds n and C; each of the next n "
            "lines holds w_i and v_i. Print the greatest total worth of parcels that fit in the van."
        ),
    ),
    "grids": (
        _ISLANDS,
        (
            "You are given a maze of r rows and c columns (1 <= r, c <= 1000). Each cell is free, "
            "written as '.', or a wall, written as '#'. From a cell you can step to one that shares a "
            "side with it. Print the length of the shortest path from the top left cell to the bottom "
            "right cell, or -1 if there is none."
        ),
    ),
    "shortest paths": (
        _COURIER,
        (
            "A country has n towns and m one-way roads; road i leads from u_i to v_i and costs t_i "
            "coins of toll. A traveller starts in town 1. For every town print the smallest possible "
            "value of the dearest single toll on a way to it, or -1 if it cannot be reached."
        ),
    ),
    "brackets": (
        _BRACKETS,
        (
            "You are given a string s of length at most 100000 that consists of the characters ( and "
            "). With one operation you may flip a single character. Print the fewest operations that "
            "make s correctly bracketed, or -1 if its length is odd."
        ),
    ),
    "strings": (
        (
            "Given a string of lowercase letters, print the length of its longest substring in which "
            "no letter occurs twice."
        ),
        (
            "Given a string of lowercase letters, print the lexicographically smallest string that "
            "can be made by removing exactly k letters from it."
        ),
    ),
    "Chinese, stocks": (
        _STOCKS_ZH,
        (
            "给定一个长度为 n 的数组 p，其中 p_i 表示某只股票第 i 天的价格。对于每一天，求出它之后第一个"
            "价格更高的日子距离今天有多少天。第一行输入整数 n（1 ≤ n ≤ 100000），第二行输入 n 个整数。"
            "请输出 n 个整数；如果不存在这样的日子，则输出 0。"
        ),
    ),
    "Chinese, other topics": (
        _STOCKS_ZH,
        (
            "给定一棵有 n 个节点的树，每个节点有一个权值。求一条路径，使得路径上所有节点权值之和最大。"
            "第一行输入整数 n，第二行输入 n 个权值，接下来 n-1 行每行两个整数表示一条边。"
        ),
    ),
    "other languages": (_STOCKS_ZH, _SHELVES),
    "one topic, one word of it": ("Sort n integers.", "Multiply two matrices."),
}
