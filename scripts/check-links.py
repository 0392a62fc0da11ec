#!/usr/bin/env python3
"""Checks the links of the pages: every relative link leads to a file, and every #anchor to a heading of its page.

    scripts/check-links.py [BOOK]

With BOOK, a folder that mdBook wrote, the links of the book's pages instead.

The pages are all Markdown files that git knows, or would add. Links to other sites are not followed. A link that leads out of
the repository is a mistake. Prints the mistakes, and ends with 1 if there are any.
"""

import pathlib, re, subprocess, sys, urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A link or picture, with an optional title; a definition, `[name]: target`; an attribute of HTML.
LINKS = [
    re.compile(r"\]\(\s*<?([^()\s>]+(?:\([^()\s]*\)[^()\s]*)?)>?(?:\s+\"[^\"]*\")?\s*\)"),
    re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?(\S+?)>?\s*$", re.M),
    re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]+)\""),
]
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.S | re.M)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)


def blank(match):
    """The same lines without their text."""
    return re.sub(r"[^\n]", " ", match[0])


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    found, counts = set(), {}
    for heading in re.finditer(r"^#{1,6}\s+(.*?)\s*#*\s*$", FENCE.sub(blank, text), re.M):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found | set(re.findall(r"<a\b[^>]*?\b(?:id|name)=\"([^\"]+)\"", text))


def links(text):
    """Every target in a page, with its line."""
    text = FENCE.sub(blank, text)
    # A picture in a link leaves the code of its text alone; code elsewhere holds no links.
    text = CODE.sub(lambda it: re.sub(r"[^\n]", "`", it[0]), text)
    for pattern in LINKS:
        for found in pattern.finditer(text):
            yield text[: found.start(1)].count("\n") + 1, found[1]


def book(folder):
    """What is wrong with the links of a book, and how many were checked. Links out of docs/ work in the repository only."""
    pages = {it.resolve(): it.read_text() for it in sorted(folder.glob("*.html"))}
    known = {page: set(re.findall(r"\bid=\"([^\"]+)\"", text)) for page, text in pages.items()}
    mistakes, checked = [], 0
    for page, text in pages.items():
        for target in re.findall(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]+)\"", text):
            if re.match(r"[a-z][a-z0-9+.-]*:|\.\./", target, re.I) or page.name == "404.html":
                continue
            checked += 1
            path, _, anchor = target.partition("#")
            at = (page.parent / urllib.parse.unquote(path)).resolve() if path else page
            if not at.exists() or at.suffix == ".md":
                mistakes.append(f"{page.name}: {target}: no such page or file")
            elif anchor and at in known and urllib.parse.unquote(anchor) not in known[at]:
                mistakes.append(f"{page.name}: {target}: the page has no such heading")
    return mistakes, checked, len(pages)


def repository():
    """The same of the pages in the repository."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    pages = {name: (ROOT / name).read_text() for name in sorted(set(names)) if name and (ROOT / name).is_file()}
    known, mistakes, checked = {}, [], 0
    for page, text in pages.items():
        for line, target in links(text):
            if re.match(r"[a-z][a-z0-9+.-]*:", target, re.I):
                continue
            checked += 1
            path, _, anchor = target.partition("#")
            at = (ROOT / page).parent / urllib.parse.unquote(path) if path else ROOT / page
            at = at.resolve()
            if path.startswith("/") or not at.is_relative_to(ROOT):
                mistakes.append(f"{page}:{line}: {target} leads out of the repository")
            elif not at.exists():
                mistakes.append(f"{page}:{line}: {target}: no such file")
            elif anchor and at.suffix == ".md":
                if at not in known:
                    known[at] = anchors(at.read_text())
                if anchor not in known[at]:
                    mistakes.append(f"{page}:{line}: {target}: the page has no such heading")
    return mistakes, checked, len(pages)


def main():
    mistakes, checked, pages = book(pathlib.Path(sys.argv[1])) if sys.argv[1:] else repository()
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"{checked} links in {pages} pages, {len(mistakes)} of them wrong")
    sys.exit(1 if mistakes or not checked else 0)


if __name__ == "__main__":
    main()
