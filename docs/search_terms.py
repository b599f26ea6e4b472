"""What users search for, and the page that must come first: entries of the index of each page."""

#: Terms of each page, in the order of the contents list.
TERMS = {
    "getting_started": "install, quickstart, tutorial",
    "user_guide/estimators": "activation, dropout, hidden layers, multilabel, regularisation",
    "user_guide/losses": "class weight, count, imbalanced, loss, outliers, quantile, sample weight",
    "user_guide/stopping": "convergence, early stopping, overfitting, validation",
    "user_guide/schedules": "learning rate, schedule, warmup",
    "user_guide/callbacks": "callbacks, logging, progress",
    "user_guide/tuning": "grid search, hyperparameters, tuning",
    "user_guide/data": "float32, online learning, partial_fit, sparse, streaming",
    "user_guide/persistence": "checkpoint, joblib, pickle, resume, save",
    "user_guide/reproducibility": "random seed, random_state, reproducibility",
    "user_guide/compiled": "CUDA, GPU, numba",
    "equations": "backpropagation, gradient",
    "carry_on": "extend the package, new layer, new parameter, new solver",
    "plugins": "custom component, plug-in, plugin",
    "write_an_activation": "custom activation",
    "write_a_loss": "custom loss",
    "write_an_optimizer": "custom optimizer",
    "write_a_callback": "custom callback",
    "switching_from_skorch_and_keras": "Keras, PyTorch, skorch, TensorFlow",
    "differences": "differences from scikit-learn",
    "tabular": "categorical, DataFrame, datetime, missing values, pandas, tabular",
    "production": "deploy, production",
    "production_skops": "skops",
    "production_onnx": "FastAPI, ONNX, serving",
    "production_disk": "larger than memory, memmap, out of core, parquet",
    "production_dask": "cluster, Dask, distributed",
    "reliability": "crash, fuzzing, reliability, security",
    "benchmarks": "benchmark, memory, speed",
}


def add_terms(app, docname, source):
    """Put the terms of a page into the index, above its title."""
    if docname in TERMS:
        entries = ", ".join(f"! {term}" for term in TERMS[docname].split(", "))
        source[0] = f"```{{index}} {entries}\n```\n\n{source[0]}"


def missing(entries, docnames):
    """Yield the terms that do not lead to their page, by the entries of a site's search index.

    A main entry that equals the query scores 100, more than titles and words of pages do.
    """
    for page, terms in TERMS.items():
        for term in terms.lower().split(", "):
            found = [docnames[doc] for doc, _, is_main in entries.get(term, []) if is_main]
            if found != [page]:
                yield f"{page}: a search for {term!r} finds {found}"
