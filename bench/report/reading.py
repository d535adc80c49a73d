"""How to read each table of a report: said beside it."""

RESULTS = (
    "Means over training seeds and test episodes. All seeds and methods are scored on the same test episodes. The 95 % "
    "interval covers other seeds and other episodes; of one seed, other episodes only. The verdict is on the published "
    "number whose protocol is nearest."
)
INTERVALS = (
    "Episodes + seeds: another training, tested on other episodes. Episodes: these weights on other episodes; mean ± "
    "1.96 SE over episodes is what most papers report, of one trained model. Seeds: another training on these "
    "episodes. Crossed bootstrap: as episodes + seeds, without assuming normality; not used for verdicts."
)
CLAIMS = (
    "Agrees: the 90 % interval of the difference lies within the margin, which was fixed before any run. Differs: "
    "otherwise, if the 95 % interval excludes 0. Inconclusive: neither. Not judged: fewer than three seeds, or a "
    "protocol or data that differ or are not known. A published number is that of one trained model, so the "
    "difference allows for one more; the authors' own weights are judged as that one model, without a spread between "
    "trainings. The smallest half-width is what these episodes and the published ± allow with any number of seeds: at"
    " the margin or above, the verdict can never be agrees. An agreement shows that the difference is within the "
    "margin, which near 100 % is much of the error."
)
ANSWERS = (
    "Agrees: within the margin that was fixed before any run. Differs: outside, beyond chance. Inconclusive: neither. "
    "Not judged: fewer than three seeds, or another protocol or other data than the published number's."
)
PAIRS = (
    "The same seeds and the same test episodes for both methods. With fewer than three common seeds the interval "
    "covers these weights only. A p-value is that of t with the seeds' degrees of freedom, of which three seeds have "
    "two. p (Holm) is corrected for all pairs of this table: it can be above 0.05 beside an interval that excludes 0,"
    " and then the table shows no difference. What was chosen on validation at the edge of what there was is named: "
    "more of it might be better."
)
SEEDS = "Mean ± 1.96 SE over episodes, of each training seed alone."
ANATOMY = (
    "Binomial part: the noise of an episode's query images, which are right or wrong. Between episodes: how the "
    "accuracy of one model varies beyond that. Shared difficulty: what all seeds find hard alike, the query images "
    "included. Between seeds: how far apart trainings lie."
)
COMPATIBLE = (
    "A published ± and a test size imply how much the accuracy varies between episodes. A test size is consistent "
    "where that range, at 95 %, overlaps what published results and runs of about this accuracy show."
)
