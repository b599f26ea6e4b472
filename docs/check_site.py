"""Check a built site: links, pictures, empty pages, slow examples, pages that searches must find.

python docs/check_site.py docs/_build/html
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from search_terms import missing

#: Fewer characters than this in a page's main part is an empty page.
LEAST = 100
#: Seconds that an example of the gallery may take: twice what is promised, for slow machines.
MOST = 20.0
TIME = re.compile(r"running time of the script:</strong> \((\d+) minutes ([\d.]+) seconds\)")


class Page(HTMLParser):
    """What a page links to, what can be linked to in it, and how much it says."""

    def __init__(self, file):
        super().__init__(convert_charrefs=True)
        self.links, self.anchors, self.characters = set(), set(), 0
        self._in_article, self._silent = 0, 0
        text = file.read_text(encoding="utf-8")
        self.seconds = sum(60 * int(m) + float(s) for m, s in TIME.findall(text))
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links |= {values[key] for key in ("href", "src") if values.get(key)}
        self._in_article += tag == "article"
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag):
        self._in_article -= tag == "article"
        self._silent -= tag in ("script", "style")

    def handle_data(self, data):
        if self._in_article and not self._silent:
            self.characters += len(data.strip())


def broken(site):
    """Yield one line for each fault of the site."""
    files = [file.resolve() for file in sorted(site.rglob("*.html")) if "_static" not in file.parts]
    pages = {file: Page(file) for file in files}
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        if page.characters < LEAST and not str(name).startswith(("_", "search", "genindex")):
            yield f"{name}: the page is empty"
        if page.seconds > MOST:
            yield f"{name}: the example takes {page.seconds:.0f} seconds, more than {MOST:.0f}"
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists():
                yield f"{name}: {link} leads nowhere"
            elif target in pages and unquote(parts.fragment) not in {"", *pages[target].anchors}:
                yield f"{name}: {link} has no such place"


def not_found(site):
    """Yield one line for each term whose search does not find its page first.

    Build with ``-E``: Sphinx forgets the index entries of pages that it does not write again.
    """
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    yield from missing(index["indexentries"], index["docnames"])


def main():
    """Print what is broken; exit with 1 if there is anything."""
    site = Path(sys.argv[1])
    faults = [*broken(site), *not_found(site)]
    print("\n".join(faults) or f"{len(list(site.rglob('*.html')))} pages, all links lead somewhere")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
