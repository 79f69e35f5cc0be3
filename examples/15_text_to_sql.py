# Runs 15_text_to_sql.yaml on a real database: once to read, and once to change something, which a person has to allow.
import sqlite3
from pathlib import Path

from murakkab import load_workflow


def main() -> None:
    database = Path("shop.db")
    database.unlink(missing_ok=True)
    with sqlite3.connect(database) as db:
        db.executescript("""
            create table customers (name text, city text);
            create table articles (title text, price real);
            insert into articles values ('kite', 12), ('drum', 30), ('top', 4);
        """)
    asked = load_workflow(Path(__file__).with_name("15_text_to_sql.yaml")).options(durable=True)

    job = asked.run_job(question="Which article is the dearest?", database=str(database))
    print(job.outputs["rows"], "by", job.outputs["sql"])
    print("mended:", any(row.task.endswith("#1/write") for row in job.tasks), "changed:", job.outputs["changed"])

    job = asked.run_job(question="Make every article cheaper", database=str(database))
    print(f"{job.status}: {job.failures[0].message}")
    job = asked.resume_job(job.job, answers={"allowed": True}, by="Eve")
    print("changed:", job.outputs["changed"])
    with sqlite3.connect(database) as db:
        print(db.execute("select * from articles").fetchall())


if __name__ == "__main__":
    main()
