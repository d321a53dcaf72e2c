"""What a column's name says, in English, German, French, Spanish and Italian."""

from __future__ import annotations

import re
import unicodedata

from headstart.common.text import is_number
from headstart.data.config import RESERVED
from headstart.data.label_table import IMAGES

# Labels with a name of their own, by what their columns are called.
LABELS = {
    "age": r"(interview |pt)?(age|alter|lebensalter|edad|eta)( ?("
    r"at|an|am|bei|a|au|en|in|l|la|le|all|alla|zum|zur|the|time|of|zeitpunkt|der|des|de|del|du|"
    r"scan(ner)?|mri?|mrt|irm|rm|resonancia|risonanza|visita?|visite|baseline|entry|enrol(l)?ment|"
    r"untersuchung|aufnahme|messung|acquisition|acquisizione|session|years?|yrs?|y|jahren?|ans|"
    r"annees?|anos|anni|months?|monaten?|mois|meses|mesi)){0,9}|years|anos|jahre|ageatscan|agescan",
    "sex": r"(pt|biological |birth )?(sex|gender|geschlecht|sexe|genre|sexo|genero|sesso|genere"
    r"|m f|m w|h f|f m|w m)( (id|code|at birth|bei (der )?geburt|a la naissance|al nacer"
    r"|alla nascita|biologique|biologico|(du |del |de la )?"
    r"(patiente?|subject|sujet|participant|paciente|paziente)))?",
    "site": r"site|scanner|cent(re|er)|hospital|standort|zentrum|klinik|hopital|hospital|centro"
    r"|sitio|sede|ospedale|scanner id|site id|site name|siteid",
}
# A name may hold a code book: SEX_ID (1=m, 2=f), Sex (1: m; 2: f), …
BOOK = re.compile(r"\(([^()]*)\)\s*$")
PAIR = re.compile(r"\s*([^=]+?)\s*=\s*([^=]+?)\s*|\s*(\d+)\s*:\s*([^:\d]+?)\s*")
# … and sex_id_1_m_2_f: how programs write `SEX_ID (1=m, 2=f)`
BARE_BOOK = re.compile(r"([ _]+\d ?[ _=:] ?[A-Za-z]+){2,}$")
MONTHS = {"month", "months", "monate", "monaten", "mois", "meses", "mesi"}
# Names of ids are made of what has one, Patient or MRT, and of what an id is, ID or Nummer: as one
# word or several, in either order, whole or abbreviated.
BEARER = (
    r"(participante?|teilnehmer(in)?|tn|subject|subj|sub|sujet|sujeto|soggetto|patient(en|in|e)?|pat|pt"
    r"|paciente|paziente|prob|proband(en|in)?|versuchsperson(en)?|vpn?|person(en)?|individual"
    r"|volunteer|voluntario|volontario|volontaire|case|caso|cas|fall|scan|mri?|mrt|irm|rmn?|image"
    r"|bild|exam(en)?|esame|untersuchungs?|accession|acc|record|file|dossier|cartella|akten?|study"
    r"|studien?|etude|estudio|studio|pseudonym|inclusion|einschluss|screening|enroll?ment|bids|ixi)"
)
ID = (
    r"(id|nr|nro|nummer|number|numero|no|num|code|codigo|codice|kennung|kennziffer|key|schluessel"
    r"|pseudonym|ident(ity|itaet|idad|ifi\w*)?|uid)"
)
HOW = r"((src|anon\w*|pseudo\w*|intern\w*|local|lokale?|unique|global|research) )*"
IDENTITY = re.compile(
    rf"{HOW}({BEARER} ?){{1,3}}({ID}( ?{ID})?| n)"
    r"|" + HOW + r"(id|nr|nummer|number|no|num|code|kennung|kennummer|kennnummer"
    r"|ident(ity|itaet|idad|ifi\w*)?)( (nr|nummer|number|no|code))?"
    rf"|(id ?|({ID}|n|n o) ((de|del|della|dello|di|du|des|der|d|do) )?((la|le|l) )?)"
    rf"{BEARER}( ?{BEARER})?"
    r"|subject|subj|sub|participante?|teilnehmer(in)?|patient|proband(en|in)?|versuchsperson|vpn|vp"
    r"|pseudonym|chiffre|sujet|sujeto|paciente|paziente|soggetto|codigo|codice|accession"
    r"|rid|ptid|mrid|pid|sid|eid|guid"
)
VISIT = re.compile(
    r"(ses|session|visit|viscode\d?|timepoint|tp|wave|besuch|visite|visita|zeitpunkt|messzeitpunkt"
    r"|sesion|sessione|seance|sitzung|termin|eventname|redcap event name)"
    r"( ?(id|nr|code|no|number))?"
)
# Words that begin like these, or are these, are of columns that tell who somebody is, or of
# anything in words; such columns never reach the config.
PRIVATE_STEMS = (
    *("birth", "geburt", "naissance", "nacimiento", "nascita", "address", "adress", "anschrift"),
    *("direcc", "indirizz", "wohnort", "phone", "telef", "mail", "courriel", "correo", "comment"),
    *(
        "komment",
        "comentar",
        "bemerk",
        "anmerk",
        "notiz",
        "remarqu",
        "remark",
        "observ",
        "osservaz",
    ),
    *("annotaz", "hinweis", "surname", "firstname", "lastname", "fullname", "vorname", "nachname"),
    *(
        "prenom",
        "apellid",
        "cognom",
        "nombre",
        "initialen",
        "initiales",
        "kuerzel",
        "postcode",
        "postleit",
    ),
    *("zipcode", "versichert", "versicherung", "insurance", "passport", "ausweis", "geboren"),
    *("patientenname", "hausarzt", "krankenkasse", "codicefiscale", "medicalrecord"),
    *("dateof", "scandate", "examdate", "birthda", "telephone"),
)
PRIVATE_WORDS = {
    *(
        "mrn",
        "ddn",
        "tel",
        "fon",
        "dob",
        "name",
        "names",
        "date",
        "datum",
        "fecha",
        "note",
        "notes",
        "nota",
    ),
    *("nota", "notas", "nom", "nome", "geb", "plz", "zip", "ssn", "nhs", "dni", "handy"),
    *("freitext", "freetext", "email", "mobile", "initials", "nato", "nata", "nacido", "nacida"),
}


def words_of(column: str) -> str:
    """Return a column's words: `AgeAtScan (years)` is age at scan; accents are written plainly."""
    bare = BARE_BOOK.sub("", re.sub(r"\(.*?\)|\[.*?\]", "", column)).strip() or column
    bare = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", bare)
    return " ".join(re.findall(r"[a-z0-9]+", plain(bare)))


def label_name(column: str) -> str:
    """Return a name for a label: `SEX_ID (1=m, 2=f)` is sex, `Größe (cm)` is groesse."""
    words = words_of(column)
    for name, pattern in LABELS.items():
        if re.fullmatch(pattern, words):
            return "age_months" if name == "age" and _in_months(column) else name
    bare = re.sub(r"\(.*?\)", "", column).strip() or column
    word = re.sub(r"[^a-z0-9]+", "_", plain(bare)).strip("_") or "label"
    word = word if word[0].isalpha() else f"label_{word}"
    return f"{word}_label" if word in (*RESERVED, *IMAGES) else word


def as_label(text: str) -> str:
    """Return the label that is meant by its own name or by that of its column: `Age` is age."""
    return text if text in (*RESERVED, *IMAGES) else label_name(text)


def _in_months(column: str) -> bool:
    """Whether a column of ages says that they are in months, as interview_age of NDA's tables."""
    words = set(re.findall(r"[a-z]+", plain(column)))
    return bool(words & MONTHS) or words == {"interview", "age"}


def is_age(column: str) -> bool:
    """Say whether a column's name is that of ages in years."""
    return label_name(column) == "age"


def is_private(column: str) -> bool:
    """Say whether a column's name is that of names, dates, contacts or remarks."""
    words = words_of(column)
    if re.fullmatch(LABELS["sex"], words):  # the sex at birth is no date of birth
        return False
    return any(
        word in PRIVATE_WORDS or word.startswith(PRIVATE_STEMS) for word in words.split()
    ) or words.replace(" ", "").startswith(PRIVATE_STEMS)


def is_identity(column: str) -> bool:
    """Say whether a column's name is that of subjects' ids."""
    words = words_of(re.sub(r"(?<=\w)[ _]?#|#[ _]?(?=\w)", " no ", column))
    return IDENTITY.fullmatch(words) is not None


def code_book(name: str) -> dict[str, str]:
    """Return what a column's values mean, as its name says: `SEX (1=m, 2=f)`, `sex_1_m_2_f`."""
    if bare := BARE_BOOK.search(name):
        return dict(re.findall(r"(\d)[ _=:]+([A-Za-z]+)", bare.group()))
    inside = BOOK.search(name)
    found = [PAIR.fullmatch(pair) for pair in re.split("[,;/]", inside[1])] if inside else []
    pairs = [(pair[1] or pair[3], pair[2] or pair[4]) for pair in found if pair]
    if len(pairs) < len(found):
        return {}
    turned = all(is_number(word) and not is_number(code) for code, word in pairs)
    return {word: code for code, word in pairs} if turned else dict(pairs)  # (m=1, f=2)


def names_a_visit(column: str) -> bool:
    """Say whether a column's name is that of visits."""
    return VISIT.fullmatch(words_of(column)) is not None


def plain(text: str) -> str:
    """Return text in small letters without accents; ä is ae."""
    text = text.casefold()
    for letter, plain in {"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "ø": "oe"}.items():
        text = unicodedata.normalize("NFC", text).replace(letter, plain)
    text = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in text if not unicodedata.combining(letter))
