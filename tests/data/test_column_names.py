"""What columns are called: ages, sexes, ids, and what tells who somebody is."""

from __future__ import annotations

import pytest

from headstart.data.column_names import is_age
from headstart.data.column_names import is_identity
from headstart.data.column_names import is_private
from headstart.data.column_names import label_name


@pytest.mark.parametrize(
    "column",
    [
        *("Age", "AgeatEntry", "AgeAtMR", "AGE_AT_SCAN", "PTAGE", "age (years)", "Lebensalter"),
        *("Âge à l'IRM", "Âge au scanner", "Edad en la resonancia", "Età alla visita"),
        *("Alter zum Zeitpunkt der Untersuchung", "Edad (años)", "Alter bei Untersuchung"),
    ],
)
def test_ages(column: str) -> None:
    assert is_age(column)


@pytest.mark.parametrize("column", ["interview_age", "Age (months)", "Alter in Monaten"])
def test_ages_in_months_are_no_years(column: str) -> None:
    assert label_name(column) == "age_months"


@pytest.mark.parametrize("column", ["age of onset", "Etage", "agentic", "brain age gap", "Stage"])
def test_no_ages(column: str) -> None:
    assert label_name(column) not in ("age", "age_months")


@pytest.mark.parametrize(
    "column",
    [
        *("gender_code", "PTGENDER", "sex_at_birth", "birth_sex", "sex_code", "sexe_patient"),
        *("biological sex", "SEX_ID (1=m, 2=f)", "Geschlecht", "Sexo"),
    ],
)
def test_sexes(column: str) -> None:
    assert label_name(column) == "sex"
    assert not is_private(column)


@pytest.mark.parametrize(
    "column",
    [
        *("Patientenname", "Hausarzt", "MRN", "DDN", "Krankenkasse", "codice fiscale", "Tel."),
        *("birth date", "Date of birth", "Wohnort"),
    ],
)
def test_what_tells_who_somebody_is(column: str) -> None:
    assert is_private(column)


@pytest.mark.parametrize(
    "column",
    [
        *(
            "sub",
            "SUB_ID",
            "src_subject_id",
            "PTID",
            "ParticipantID",
            "participant no",
            "Subject #",
        ),
        *("record id", "Record Number", "case no", "CaseID", "scan no", "MRI No", "mri_number"),
        *("accession", "Accession Number", "Study number", "study_id", "Pt. ID", "#Subject"),
        *("Patient Identification Number", "anonymised ID", "Subject Identifier", "IXI_ID"),
        *("Fall-ID", "Fall-Nr.", "Fallnummer", "Prob.-Nr.", "Pat.-Nr.", "PatNr", "Patientennummer"),
        *("Studien-ID", "MRT-Nr.", "Probandencode", "Teilnehmer-Nr.", "Vp-Nr.", "Aktennummer"),
        *("Versuchspersonennummer", "Untersuchungsnummer", "Pseudonym", "Kennnummer", "ID-Nummer"),
        *("N° dossier", "Nº dossier", "Numéro du patient", "Code sujet", "Identifiant du patient"),
        *("n° paciente", "N.º de paciente", "Código del paciente", "ID_paciente", "Núm. de caso"),
        *("num. paziente", "Codice paziente", "Numero paziente", "N. paziente", "ID soggetto"),
    ],
)
def test_ids(column: str) -> None:
    assert is_identity(column)


@pytest.mark.parametrize(
    "column",
    [
        *("Age", "Krankheitsdauer", "duration", "Reihenfolge", "scan_order", "EDSS", "case"),
        *("visit count", "number of scans", "number of visits", "Anzahl Scans", "Fallzahl"),
        *(
            "site id",
            "scanner id",
            "family id",
            "Diagnosis code",
            "sex code",
            "ETHNIC_ID",
            "visit no",
        ),
        *("identical", "codeine", "subcortical", "patient group", "Study", "image quality"),
    ],
)
def test_no_ids(column: str) -> None:
    assert not is_identity(column)
