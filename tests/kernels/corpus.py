# ruff: noqa: E501 (cells of notebooks)
"""Notebooks that use what notebooks use, each as code: papermill's own engine and ours must agree on all."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

#: Files that some of the notebooks read, by name.
FILES = {
    "script.py": "import sys\nprint(__name__, sys.argv[1:])\nresult = 6 * 7\n",
    "library.py": "def answer():\n    return 42\n",
    "inner.ipynb": '{"cells": [{"cell_type": "code", "execution_count": null, "id": "inner", "metadata": {},'
    ' "outputs": [], "source": ["inner = 5\\n", "print(\'from inside\')"]}], "metadata": {"language_info":'
    ' {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}',
}


def code(source: str, *tags: str, **metadata: Any) -> Any:
    cell = nbformat.v4.new_code_cell(textwrap.dedent(source).strip("\n"), metadata=metadata)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def notebook(cells: Sequence[Any], kernel: str = "python3", language: str = "python") -> Any:
    """Return a notebook of cells; a text stands for a code cell."""
    document = nbformat.v4.new_notebook(
        cells=[code(cell) if isinstance(cell, str) else cell for cell in cells],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": language}},
    )
    for number, cell in enumerate(document.cells):
        cell.id = f"cell-{number}"
    return document


def write(path: Path, cells: Sequence[Any], **options: str) -> Path:
    nbformat.write(notebook(cells, **options), path)
    return path


CORPUS: Mapping[str, Sequence[Any]] = {
    "parameters": [code("x = 1\nname = 'a'", "parameters"), "print(x, name)"],
    "text and raw cells": [
        nbformat.v4.new_markdown_cell("# Title\n\n$x^2$ Łódź"),
        nbformat.v4.new_raw_cell("raw: \\LaTeX"),
        "1 + 1",
        code(""),
        code("   \n"),
        code("2", "skip-execution"),
        code("3", "hide-input", collapsed=True, jupyter={"outputs_hidden": True}),
        code("4", "report", slideshow={"slide_type": "slide"}),
    ],
    "results": [
        "1",
        "None",
        "'text'",
        "_, __, Out",
        "a = 5; a;",
        "{'k': [1, 2]}",
        "len?",
        "%precision 3\n3.14159265",
        "print(In[1], _i, _ih[2])",
        "%history 1-2",
        "def documented():\n    'Says so.'\n\nhelp(documented)",
    ],
    "figures": [
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport matplotlib\nmatplotlib.get_backend()",
        "plt.plot([1, 2, 3], [3, 1, 2])\nplt.title('T')\nplt.show()",
        "fig, ax = plt.subplots(1, 2, figsize=(4, 2))\nax[0].bar([1, 2], [3, 4])\nfig",
        "%config InlineBackend.figure_formats = ['svg']\nplt.rcParams['svg.hashsalt'] = 's'\nfrom matplotlib_inline import backend_inline\nplt.figure(); plt.plot([1]); plt.close()",
        "sorted((k, v) for k, v in plt.rcParams.items() if k.startswith('figure.'))",
        "import seaborn_is_not_there",
    ],
    "a figure without the magic": ["import matplotlib.pyplot as plt\nplt.plot([1, 2])"],
    "tables": [
        "import pandas as pd\nframe = pd.DataFrame({'a': [1, 2, None], 'b': ['x', 'y', 'ż']})\nframe",
        "frame.style.format(precision=1).set_uuid('u')",
        "frame.describe()",
        "print(frame)",
        "frame['missing']",
    ],
    "streams": [
        "import sys\nprint('out'); print('err', file=sys.stderr); print('out again')",
        "for i in range(200):\n    print(i)",
        "sys.stdout.write('no newline')",
        "sys.stderr.write('x' * 1000 + '\\n'); None",
        "import time\nfor i in range(3):\n    print(i, flush=True); time.sleep(0.05)",
        "print('a\\tb\\x1b[31mred\\x1b[0m\\x08'); sys.stdout.isatty(), sys.stdout.encoding",
    ],
    "output of programs": [
        "!echo from a shell",
        "!ls *.py",
        "!exit 3\n_exit_code",
        "files = !ls *.py\nfiles",
        "%%bash\necho out; echo err >&2",
        "%%bash\nexit 2",
    ],
    "output of programs that goes around Python": [
        "import os, subprocess\nos.system('echo system')",
        "subprocess.run(['echo', 'inherited']).returncode",
        "print(subprocess.run(['cat'], capture_output=True, text=True).stdout == '')",
        "os.write(1, b'descriptor 1\\n'); os.write(2, b'descriptor 2\\n'); None",
    ],
    "an error": [
        "x = 1",
        "def f(n):\n    return 1 / n\n\ndef g():\n    return f(0)\n\ng()",
        "print('never')",
    ],
    "an error in a module": ["import json\njson.loads('{')"],
    "a syntax error": ["print('before')", "x = = 1"],
    "an exception of ours without a message": ["class Odd(Exception):\n    pass", "raise Odd"],
    "chained exceptions": [
        "try:\n    {}['k']\nexcept KeyError as error:\n    raise ValueError('łódź\\n\\n<b>') from error"
    ],
    "an exception group": ["raise ExceptionGroup('several', [ValueError(1), TypeError(2)])"],
    "expected errors": [
        code("1 / 0", "raises-exception"),
        "print('goes on')",
        code("raise SystemExit(3)", "raises-exception"),
        "print('and on')",
    ],
    "a request to interrupt": ["raise KeyboardInterrupt", "1"],
    "sys.exit(0) in the middle": ["import sys\nprint('before')\nsys.exit(0)", "print('never')"],
    "sys.exit(1)": ["import sys\nsys.exit(1)", "1"],
    "sys.exit with a text": ["import sys\nsys.exit('why')", "1"],
    "exit at the end": ["print('last words')\nexit"],
    "updated displays": [
        "from IPython.display import display, HTML, update_display\nhandle = display('first', display_id='d')",
        "handle.update('second')",
        "display('again', display_id='d'); display('other', display_id='e')",
        "update_display(HTML('<b>third</b>'), display_id='d')",
        "update_display('unknown', display_id='nobody')",
        "other = display('in place', display_id=True); other.update({'a': 1}); print('after')",
    ],
    "cleared outputs": [
        "from IPython.display import clear_output, display\nprint('gone'); clear_output(); print('kept')",
        "for i in range(3):\n    clear_output(wait=True); print(i)",
        "print('gone too'); clear_output()",
        "print('stays'); clear_output(wait=True)",
        "display('one', display_id='c'); clear_output(); display('two', display_id='c')",
    ],
    "kinds of output": [
        "from IPython.display import *\ndisplay(HTML('<i>ż</i>'), Markdown('**b**'), Latex('$x$'), JSON({'a': [1]}), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'), Javascript('1'))",
        "display({'application/x-own+json': {'a': 1}, 'text/plain': 'own'}, raw=True, metadata={'m': 1})",
        "class Rich:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'text/html': '<p>', 'text/plain': 'p'}, {'text/html': {'isolated': True}}\nRich()",
        "class Broken:\n    def _repr_html_(self):\n        raise ValueError('no html')\n    def __repr__(self):\n        return 'Broken'\nBroken()",
        "Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png', width=3)",
    ],
    "widgets": [
        "import ipywidgets as w\nslider = w.IntSlider(value=3, description='ż')\nslider",
        "slider.value = 7\nw.HBox([slider, w.Text('t')])",
        "w.Image(value=b'\\x89PNG\\r\\n\\x1a\\n')",
        "slider.close()",
    ],
    "an Output widget": [
        "import ipywidgets as w\nfrom IPython.display import display\nout = w.Output()\ndisplay(out)",
        "with out:\n    print('captured'); display('shown')\nprint('outside')",
        "with out:\n    print('more')",
        "out.clear_output()\nwith out:\n    print('afresh')",
        "@out.capture()\ndef f():\n    print('by a decorator')\nf()",
        "with out:\n    1 / 0",
        "out.outputs",
    ],
    "interact": [
        "from ipywidgets import interact\n@interact(x=3)\ndef f(x):\n    print('x is', x)\n    return x",
    ],
    "top-level await": [
        "import asyncio\nawait asyncio.sleep(0, 'slept')",
        "async def f(n):\n    await asyncio.sleep(0.01 * (3 - n)); print('ended', n); return n\nawait asyncio.gather(*(f(n) for n in range(3)))",
        "task = asyncio.ensure_future(f(0))",
        "await task",
        "async for x in (i async for i in f(1)):\n    pass",
    ],
    "a loop is running already": ["import asyncio\nasyncio.run(asyncio.sleep(0))"],
    "input is refused": ["print('asks')\ninput('name? ')"],
    "a password is refused": ["from getpass import getpass\ngetpass()"],
    "magics": [
        "%timeit -n 10 -r 2 sum(range(10))",
        "%%time\nx = sum(range(100))",
        "%time 1 + 1",
        "%%capture captured\nprint('hidden')",
        "captured.stdout",
        "%%writefile written.txt\nsome text",
        "%pwd" + "\n!cat written.txt",
        "%who int",
        "%lsmagic\nNone",
        "%env PPACER_CORPUS=1\nimport os; os.environ['PPACER_CORPUS']",
        "%xmode Minimal\n1 / 0",
    ],
    "an unknown magic": ["%no_such_magic"],
    "running other files": [
        "%run script.py a b\nresult",
        "%run inner.ipynb\ninner",
        "%load_ext autoreload\n%autoreload 2\nimport library\nlibrary.answer()",
        "open('library.py', 'a').write('\\ndef question():\\n    return 9 * 6\\n')",
        "library.question()",
        "%run nothing.py",
    ],
    "IPython from inside": [
        "ip = get_ipython()\nip.run_cell('print(\"nested\"); 5').result",
        "ip.run_cell('1 / 0').success",
        "ip.run_line_magic('pwd', '') == __import__('os').getcwd()",
        "ip.set_next_input('left out')",
        "ip.ev('1 + 1'), type(ip).__name__, ip.execution_count",
        "ip.run_cell_magic('capture', 'c', 'print(3)'); c.stdout",
        "def hook(self, etype, value, tb, tb_offset=None):\n    print('handled', value)\nip.set_custom_exc((ValueError,), hook)\nraise ValueError('v')",
    ],
    "large outputs": [
        "line = 'x' * 99\nfor i in range(100_000):\n    print(line)",
        "from IPython.display import HTML, display\ndisplay(HTML('<p>' + 'y' * 5_000_000 + '</p>'))",
        "'z' * 1_000_000",
    ],
    "progress bars": [
        "import sys, time\nfor i in range(5):\n    print(f'\\r{i}', end='')\nprint()",
        "from tqdm import tqdm\nfor i in tqdm(range(3), file=sys.stdout, bar_format='{n}/{total}'):\n    pass",
        "from tqdm.notebook import tqdm\nfor i in tqdm(range(3), bar_format='{n}/{total}'):\n    pass",
    ],
    "logging and warnings": [
        "import logging, warnings\nlogging.warning('warned'); logging.info('not shown')",
        "logging.basicConfig(level=logging.INFO, force=True)\nlogging.info('shown')",
        "warnings.warn('careful')",
        "warnings.warn('old', DeprecationWarning)",
        "def f():\n    warnings.warn('once')\nf(); f()",
        "warnings.simplefilter('error')\nwarnings.warn('raised')",
    ],
    # One write per child: each goes through a connection of its own, and two may arrive in any order.
    "other processes": [
        "import multiprocessing as mp, os, sys\ndef square(x):\n    sys.stdout.write(f'child {x}\\n'); return x * x\nwith mp.get_context('fork').Pool(1) as pool:\n    print(pool.map(square, [3]))",
        "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2, mp_context=mp.get_context('fork')) as pool:\n    print(list(pool.map(abs, [-1, -2])))",
        "with mp.get_context('spawn').Pool(1) as pool:\n    print(pool.map(abs, [-3]))",
        "pid = os.fork()\nif not pid:\n    sys.stdout.write('forked\\n'); os._exit(7)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
    ],
    "threads": [
        "import threading\ndef say():\n    print('from a thread')\nt = threading.Thread(target=say); t.start(); t.join()",
        "def fail():\n    1 / 0\nt = threading.Thread(target=fail); t.start(); t.join()",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n    print(sum(pool.map(abs, range(10))))",
    ],
    "unicode": [
        "łódź = 'zażółć \U0001f600 \\u2028 \\x00'\nprint(łódź)\nłódź",
        "'\\ud800'.encode('utf-8', 'surrogatepass')",
        "raise ValueError('\U0001f600 <script>')",
    ],
    "what a kernel looks like from inside": [
        "import os, sys, threading, signal, gc, locale, logging, resource",
        "__name__, sys.argv[1:2], sys.flags, os.getcwd() == os.path.abspath('.')",
        "sorted(n for n in globals() if not n.startswith('_'))",
        "sorted(n for n in globals() if n.startswith('_'))",
        "type(sys.stdin).__name__, type(sys.stdout).__name__, sys.displayhook.__class__.__name__",
        "[signal.getsignal(getattr(signal, s)) == d for s, d in (('SIGINT', signal.default_int_handler), ('SIGTERM', signal.SIG_DFL), ('SIGPIPE', signal.SIG_IGN), ('SIGCHLD', signal.SIG_DFL))]",
        "gc.isenabled(), gc.get_threshold(), sys.getrecursionlimit(), sys.getswitchinterval()",
        "locale.getlocale(), sys.getdefaultencoding(), sys.getfilesystemencoding()",
        "logging.getLogger().handlers, logging.getLogger().level, logging.getLogger('x').getEffectiveLevel()",
        "sorted(name for name in os.environ if name != 'JPY_PARENT_PID')",
        "[n for n in ('pandas', 'numpy', 'matplotlib', 'papermill', 'nbclient') if n in sys.modules]",
        "sys.path",
        "import warnings\nwarnings.filters",
        "resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0o22), os.nice(0)",
        "sorted(t.name for t in threading.enumerate() if t.daemon is False)",
        "sys.modules['__main__'].__dict__ is globals(), getattr(sys.modules['__main__'], '__file__', None), __spec__, __doc__",
        "os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid(), os.isatty(0)",
        "import pickle\nclass C: pass\npickle.loads(pickle.dumps(C())).__class__ is C",
        "import inspect\ndef f():\n    return 1  # source\nprint(inspect.getsource(f))",
        "__file__",
    ],
    "an exit handler": [
        "import atexit\natexit.register(lambda: open('exited.txt', 'w').write('yes'))\nNone",
        "print('done')",
    ],
}
