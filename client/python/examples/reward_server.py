"""A reward of your own: reward_server.py [LISTEN]. The more a summary takes over from the article, the less it gets."""

import sys

from trimtab import rewards


class OwnWords(rewards.RewardServer):
    names = ["own_words"]

    def score(self, texts):
        return [[self.share_of_own_words(text)] for text in texts]

    @staticmethod
    def share_of_own_words(text):
        taken = set(text.article.lower().split())
        words = text.summary.lower().split()
        return sum(word not in taken for word in words) / max(len(words), 1)


if __name__ == "__main__":
    OwnWords().serve(*sys.argv[1:2], ready=lambda address: print("listening", address, flush=True))
