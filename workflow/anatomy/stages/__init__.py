"""One module a stage: from the artefacts a job is given to the artefact it declares."""
