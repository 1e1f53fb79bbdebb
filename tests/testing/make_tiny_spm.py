"""Makes tiny.spiece.model: a SentencePiece unigram model of 200 pieces, laid out as T5's (pad 0, eos 1, unk 2).

Needs the sentencepiece package; run by hand when the text below changes:

    python3 tests/testing/make_tiny_spm.py
"""

import io
import pathlib

import sentencepiece

TEXT = """
A trim tab is a small flap on the edge of a rudder that moves the whole ship with little force.
The helmsman turns the wheel, the tab turns the rudder, and the rudder turns the vessel.
Yesterday the harbour was closed because of fog; by noon two ferries had been delayed.
The council met on Tuesday to decide how the old bridge should be repaired, and at what price.
Engineers say that the cheaper plan would last ten years, the dearer one about forty.
Rain fell all week in the north, while the south had warm and quiet weather.
A short summary keeps the main point; a long summary keeps the names, numbers and reasons too.
Please summarize: the museum opens a new hall with maps, clocks and instruments for sailors.
"We were lucky," said the captain, "that the storm passed to the east of us."
Farmers expect a good harvest of wheat, barley and apples after the mild spring.
The library lends books, films and tools, and its reading room is open until nine.
Scientists measured the tide at six stations and found that it rises a little earlier each year.
In 1987 the town had 3,450 people; in 2024 it had 12,906, and the school was too small.
The train leaves at 7:15 from platform 8 and arrives at 9:40 if nothing goes wrong.
Voters will choose a mayor in May; five candidates have said that they want the job.
Why does bread rise? Because yeast eats sugar and gives off gas that fills the dough.
The team lost its first three games, won the next six, and finished in fourth place.
No one was hurt when part of the roof fell into the empty market hall last night.
Quick brown foxes jump over lazy dogs while the zebra and the ox look on and yawn.
Prices of fuel and paper went up by 12 per cent; those of glass and steel stayed as they were.
The river Elbe, the Seine and the Thames all reach the sea through wide mouths.
Cafe owners in Köln, Málaga and Zürich report more guests than in any summer before.
Each reader wants something else: one asks for facts, another for a few clear words.
The weights add up to one, and moving them steers what the model writes.
If the wind turns, trim the sail; if the load shifts, trim the tab.
"""


def main():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in TEXT.splitlines() if line),
        model_writer=model,
        model_type="unigram",
        vocab_size=200,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    pathlib.Path(__file__).with_name("tiny.spiece.model").write_bytes(model.getvalue())


if __name__ == "__main__":
    main()
