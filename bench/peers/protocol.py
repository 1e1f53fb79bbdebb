"""What every worker does: load, say ready, answer "run BATCH INPUT_TOKENS NEW_TOKENS" with a line of JSON."""

import json
import sys


def ids(sequence, length):
    """Token ids without meaning, the same for all peers, of one length; the last is EOS."""
    return [3 + (1103515245 * (sequence * 100003 + i + 1) + 12345) % 2**32 % 2147483648 % 30000
            for i in range(length - 1)] + [1]


def serve(run):
    """`run(inputs, new_tokens)` -> {"total_s", "prefill_s", "tokens", "first"}."""
    print("ready", flush=True)
    for line in sys.stdin:
        _, batch, length, new_tokens = line.split()
        print(json.dumps(run([ids(i, int(length)) for i in range(int(batch))], int(new_tokens))), flush=True)
