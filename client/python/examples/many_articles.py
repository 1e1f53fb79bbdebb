"""Several articles at once: many_articles.py SERVER ARTICLE..."""

import asyncio
import pathlib
import sys

import trimtab


async def main(server: str, names: list[str]) -> None:
    articles = [pathlib.Path(name).read_text(encoding="utf-8") for name in names]
    async with trimtab.AsyncClient(server) as client:
        summaries = await asyncio.gather(*(client.summarize(article) for article in articles))
    for name, summary in zip(names, summaries):
        print(f"{name}: {summary.text}")


asyncio.run(main(sys.argv[1], sys.argv[2:]))
