"""Runs notebooks from top to bottom and writes their outputs into them, without what differs from run to run.

    python examples/notebooks/run.py [NAME.ipynb ..]        all of this folder unless named

Needs nbclient and ipykernel (pip install 'bitline[dev]').
"""

import argparse
import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image  # comes with Matplotlib

HERE = Path(__file__).resolve().parent
SLOWEST = 600  # s, of one cell on a busy machine


def notebooks():
    """Every notebook of this folder, in order."""
    return sorted(HERE.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def required(notebook):
    """Python packages without which a notebook cannot run."""
    return notebook.metadata.get("bitline", {}).get("requires", [])


def run(notebook):
    """Runs all cells where the notebooks lie; an exception of a cell is raised."""
    client = NotebookClient(notebook, timeout=SLOWEST, kernel_name="python3", resources={"metadata": {"path": str(HERE)}})
    return client.execute()


def is_progress(output):
    return output.output_type == "stream" and output.name == "stderr" and "\r" in output.text


def shrink(output):
    """The picture with 128 colours, which is all that a plot has, in a third of the bytes."""
    png = output.get("data", {}).get("image/png")
    if png is None:
        return
    smaller = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(128).save(smaller, "PNG", optimize=True)
    output.data["image/png"] = base64.b64encode(smaller.getvalue()).decode()


def tidy(notebook):
    """Leaves what a reader wants, in few bytes: no times, no progress bars, no numbers of objects in memory."""
    notebook.metadata = nbformat.from_dict(
        {
            "bitline": notebook.metadata.get("bitline", {}),
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_progress(output)]
            for output in cell.outputs:
                shrink(output)
    return notebook


def texts(notebook):
    """What each code cell says in words and numbers: its printed text and its tables, but no pictures."""
    said = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        lines = []
        for output in cell.outputs:
            if output.output_type == "stream":
                lines.append(output.text)
            elif "image/png" not in output.get("data", {}):
                lines += [str(text) for _, text in sorted(output.get("data", {}).items())]
        said.append("".join(lines))
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of this folder unless named")
    for path in parser.parse_args().notebooks or notebooks():
        notebook = tidy(run(read(path)))
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
