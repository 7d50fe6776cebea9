"""Run the command line on what no person would give it, and see that nothing but an error comes.

    python -m scripts.fuzz --count 2000          # all kinds in turn, on two processors
    python -m scripts.fuzz --case 1234           # one of them again, and keep its folder

A case is made from its number alone: a hostile model folder, picture, recipe, file of JSON lines,
or line of arguments, each with a command that is given it. It ends in success or in a documented
exit status with one line that says why. Found is what ends otherwise: a signal, a traceback, an
error that nobody has thought of (`unexpected ...`), several lines or one without end, characters
that steer a terminal, too long a time, too much memory, something written where nothing was to be,
something given that has changed, half a file that was left.

`hostile` has values and ways to damage bytes, `folders`, `pictures` and `requests` make cases of
them, `cases` one from its number, `watching` runs it in a process of its own and judges its end,
`running` does so with many. Needs Linux.
"""
