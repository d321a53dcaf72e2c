"""What the words of file names say: channels, masks, visits, classes, and what to leave out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Sequence

# Image channels by the words that name them, in the order of what is likely meant.
CHANNELS = {
    **{
        "t1": "T1",
        "t1w": "T1",
        "mprage": "T1",
        "rage": "T1",
        "spgr": "T1",
        "fspgr": "T1",
        "unit1": "T1",
        "t1n": "T1",
        "mp2rage": "T1",
    },
    **{"t2": "T2", "t2w": "T2", "flair": "FLAIR", "t2f": "FLAIR", "pd": "PD", "pdw": "PD"},
    **{"t1ce": "T1ce", "t1gd": "T1ce", "t1c": "T1ce", "mra": "MRA", "swi": "SWI", "dwi": "DWI"},
    **{"adc": "ADC", "dti": "DTI", "ct": "CT", "pet": "PET"},
}
# run together with a sequence or a plane: t1mprage, 3dt1, t2tse
SEQUENCES = (
    *("mprage", "mpr", "spgr", "fspgr", "bravo", "tfe", "ffe", "space", "tse", "fse", "vibe"),
    *("3d", "2d", "sag", "cor", "tra", "ax"),
)
CHANNELS |= {
    word: CHANNELS[contrast]
    for contrast in ("t1", "t1w", "t2", "t2w")
    for sequence in SEQUENCES
    for word in (contrast + sequence, sequence + contrast)
} | {"t2flair": "FLAIR", "flairt2": "FLAIR", "t2wflair": "FLAIR", "3dflair": "FLAIR"}
MASKS = {
    *("seg", "segs", "segm", "roi", "rois", "gt", "truth", "manual", "labelstr", "tissue", "aseg"),
    *("aparc", "prob", "probs", "probmap", "probability", "probabilities", "probseg", "pve"),
    *("les", "lab", "labs", "target", "targets", "contour", "contours", "contornos", "contorni"),
    *("segmentierung", "segmentierungen", "konturen", "kontur", "maske", "masken", "masque"),
    *("masques", "mascara", "mascaras", "maschera", "maschere", "segmentacion", "segmentazione"),
}
# lesionmask, dseg, brainmask, whatever stands before
MASK = re.compile(r"[a-z]*(mask|dseg|segmentation|label|lesion|parcellation|annotation)s?")
# Scans without noise, e.g. of several averages, that stand beside noisy ones.
REFERENCE = re.compile(
    r"(?<![a-z0-9])(clean|ref|reference|gt|(ground[-_. ]?)?truth|averaged?|avg"
    r"|(high|full|normal|standard)[-_. ]?dose|noise[-_. ]?(free|less))(?![a-z0-9])",
    re.IGNORECASE,
)
BRAINS = {"brainmask", "brain", "bet", "skull"}
IMAGES = {"image", "images", "imagestr", "anat", "nifti", "nii", "scans", "orig"}
LEFT_OUT = {
    *("imagests", "labelsts", "derivatives", "sourcedata", "localizer", "scout", "phantom"),
    *("phantoms", "template", "templates", "atlas", "mni152", "qc", "backup", "archive", "trash"),
    *("excluded", "rejected"),
}
# What is computed from a scan, e.g. the folder preproc beside raw.
PROCESSED = re.compile(
    r"(pre)?proc(essed|essing)?|prepared|normali[sz]ed|(co)?reg(istered)?|resampled|warped"
    r"|(skull)?stripped|defaced|(bias)?corrected|n4|denoised|mni(152)?|outputs?|results?",
    re.IGNORECASE,
)
KNOWN = {*CHANNELS, *MASKS, *BRAINS, *IMAGES, *LEFT_OUT}
VISITS = r"ses|session|visit|tp|timepoint|mr|wave|scan|month|year|baseline|followup"
# Also what else tells the scans of one person apart: the scanner's field, the side.
VISIT = re.compile(
    rf"({VISITS})\d*|[vmyt]\d+|bl|fu\d*|(pre|post)(op|surgery|treatment|therapy)?|before|after"
    r"|first|second|third|test|retest|rescan|rest|task|\d(\.\d)?t|left|right|l|r|lh|rh",
    re.IGNORECASE,
)
SEXES = {"m", "f", "male", "female", "males", "females", "man", "woman", "men", "women"}
SITES = {"guys", "hh", "iop"}
# Words that sort people, not the visits of one.
CLASSES = SEXES | {
    *("ad", "cn", "mci", "emci", "lmci", "smc", "nc", "hc", "con", "ctrl", "ctl", "td", "asd"),
    *("adhd", "scz", "sz", "mdd", "ftd", "als", "dementia", "demented", "nondemented", "healthy"),
    *("control", "controls", "patient", "patients", "pat", "pats", "case", "cases", "normal"),
    *("abnormal", "disease", "diseased", "sick", "tumor", "notumor", "tumour", "notumour"),
    *("positive", "negative", "patienten", "kontrollen", "probanden", "gesund", "krank"),
    *("temoins", "sains", "malades", "controles", "pacientes", "controlli", "pazienti"),
}
COHORT = re.compile(r"(group|grp|class|cohort|study|dataset)s?[-_ ]?\w{1,2}", re.I)


def is_known(word: str) -> bool:
    """Whether a word in lower case says what a file is, not whose."""
    return word in KNOWN or MASK.fullmatch(word) is not None


def are_classes(values: Sequence[str]) -> bool:
    """Whether words sort people, as AD and CN do, not the visits of one."""
    return all(value.lower() in CLASSES or COHORT.fullmatch(value) for value in values)


def is_mask(words: Iterable[str]) -> bool:
    """Whether one of some words, in lower case, names a mask or a map of one."""
    return any(word in MASKS or MASK.fullmatch(word) for word in words)


def split_words(text: str) -> list[str]:
    """Return the words of a name, in lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


def common_letters(words: Sequence[str]) -> str:
    """Return the letters that all words begin with, where digits follow: IXI of IXI012."""
    matches = [re.fullmatch(r"([A-Za-z]+)(\d+)", word) for word in words]
    letters = {match[1] for match in matches if match}
    return letters.pop() if len(letters) == 1 and all(matches) else ""
