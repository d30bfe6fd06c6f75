"""Names in text lead to the reference, and parameters to the glossary.

Docstrings and pages write `ERMClassifier` in backticks, which reads well anywhere. On the site such
a name is a link if the reference has it. A name of several packages leads to that of the same
package, or else to the first of them as the reference lists them. A bare word is never a member of
a class: many have a `fit`, and `module` is a parameter of most and an attribute of one.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import autosummary_table
from sphinx.transforms.post_transforms import SphinxPostTransform

# Parameter of a docstring -> its term in the glossary.
TERMS = {
    "bias_labels": "bias label",
    "validation_data": "validation rows",
    "monitor": "monitor",
    "freeze": "frozen body",
    "epsilon": "radius",
    "X_meta, y_meta": "meta set",
    "meta_size": "meta set",
    "conflict_ratio": "conflict ratio",
    "module": "head",
}
# Terms that a parameter has only where its description says them: Meta-IADA's epsilon is no radius.
IF_SAID = {"radius"}
MEMBERS = {"method", "classmethod", "staticmethod", "property", "attribute"}
ELSEWHERE = {
    "sklearn.": "https://scikit-learn.org/stable/modules/generated/{name}.html",
    "torch.Tensor": "https://docs.pytorch.org/docs/stable/tensors.html#{name}",
    "metadata_routing": "https://scikit-learn.org/stable/{name}.html",
    "collections.abc.": "https://docs.python.org/3/library/{module}.html#{name}",
}


def name_role(role, rawtext, text, lineno, inliner, options=None, content=None):
    """Return text in backticks as code; `LinkNames` makes links of some."""
    return [nodes.literal(rawtext, text)], []


class Linking(SphinxPostTransform):
    """Base of what makes links of the names on a page."""

    def link_to(self, node, docname, anchor=None, title=None):
        """Make a link of a node, unless it would lead to its own page."""
        if docname == self.env.docname or docname not in self.env.all_docs:
            return
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        uri += f"#{anchor}" if anchor else ""
        link = nodes.reference("", "", node.deepcopy(), internal=True, refuri=uri)
        if title:
            link["reftitle"] = title
        node.replace_self(link)


class LinkNames(Linking):
    """Make links of names that the reference has."""

    default_priority = 5

    def run(self):
        """Replace literals of the page."""
        index = names_of(self.env)
        here = module_of(self.document)
        for literal in list(self.document.findall(nodes.literal)):
            if is_fixed(literal):
                continue
            text = literal.astext()
            example = re.fullmatch(r"examples/(\w+)\.py", text)
            if example:
                self.link_to(literal, f"gallery/{example[1]}")
                continue
            found = index.get(text.removesuffix("()"), [])
            name = best(meant(text, found, self.env.domains["py"].objects), here)
            if name is None:
                continue
            self.link_to(literal, *target_of(self.env, name))


class DropCitations(SphinxPostTransform):
    """Take the marks of citations out of tables of summaries: the list is on another page."""

    default_priority = 3

    def run(self):
        """Look at the tables that autosummary writes."""
        for table in self.document.findall(autosummary_table):
            for mark in list(table.findall(addnodes.pending_xref)):
                if mark.get("refdomain") != "citation":
                    continue
                before = mark.parent[mark.parent.index(mark) - 1]
                if isinstance(before, nodes.Text) and before.endswith(" "):
                    before.parent.replace(before, nodes.Text(before.rstrip()))
                mark.parent.remove(mark)


def is_fixed(literal):
    """Return whether a literal is a link already, or stands where none belongs."""
    parent = literal.parent
    while parent is not None:
        if isinstance(parent, (nodes.reference, nodes.title, addnodes.pending_xref)):
            return True
        parent = parent.parent
    return False


def names_of(env):
    """Return the documented full names by all their endings."""
    if not hasattr(env, "_names_in_text"):
        found = {}
        for full in env.domains["py"].objects:
            parts = full.split(".")
            for start in range(len(parts)):
                found.setdefault(".".join(parts[start:]), []).append(full)
        env._names_in_text = found
    return env._names_in_text


def target_of(env, name):
    """Return the page and the anchor of a documented name."""
    entry = env.domains["py"].objects[name]
    return entry.docname, entry.node_id


def module_of(document):
    """Return the package whose member a page documents, or an empty text."""
    for description in document.findall(addnodes.desc_signature):
        return description.get("module") or ""
    return ""


def meant(text, names, objects):
    """Return which of the documented names that end alike a text may mean."""
    if "." in text:
        return names
    free = [full for full in names if objects[full].objtype not in MEMBERS]
    # Called, it is a member if no more than one class has it.
    return names if text.endswith("()") and not free and len(names) == 1 else free


def best(names, here):
    """Return the name of the same package, else the shortest, or None."""
    if not names:
        return None
    return min(names, key=lambda full: (not full.startswith(f"{here}."), full.count("."), full))


class LinkParameters(Linking):
    """Make links of parameters that the glossary explains."""

    default_priority = 4

    def run(self):
        """Look at the definition lists under "Parameters"."""
        terms = self.env.domains["std"]._terms
        for term in list(self.document.findall(nodes.term)):
            strong = next(iter(term.findall(nodes.strong)), None)
            word = TERMS.get(strong.astext()) if strong is not None else None
            if word is None or word not in terms:
                continue
            if word in IF_SAID and word not in term.parent.astext().lower():
                continue
            self.link_to(strong, *terms[word], title=f"Glossary: {word}")


def elsewhere(app, env, node, contnode):
    """Return a link to the documentation of another library; no inventory is downloaded for it."""
    target = node.get("reftarget", "")
    for root, pattern in ELSEWHERE.items():
        if target.startswith(root):
            uri = pattern.format(name=target, module=target.rpartition(".")[0])
            return nodes.reference("", "", contnode, internal=False, refuri=uri)
    return None


def setup(app):
    """Register with Sphinx."""
    app.add_role("name", name_role)
    app.connect("missing-reference", elsewhere)
    app.add_post_transform(DropCitations)
    app.add_post_transform(LinkNames)
    app.add_post_transform(LinkParameters)
    return {"parallel_read_safe": True}
