"""Explanations of how to read each table of a report, printed beside it."""

RESULTS = (
    "Means over training seeds and test episodes. All seeds and methods are scored on the same test episodes. The 95 % "
    "interval covers other seeds and other episodes; for one seed, other episodes only. Verdicts are on the published "
    "number whose protocol is nearest."
)
INTERVALS = (
    "Episodes + seeds: another training, tested on other episodes. Episodes: these weights on other episodes; mean ± "
    "1.96 SE over episodes is what most papers report, for one trained model. Seeds: another training on these "
    "episodes. Crossed bootstrap: as episodes + seeds, without assuming normality; not used for verdicts."
)
CLAIMS = (
    "Agrees: the 90 % interval of the difference lies within the margin, which was fixed before any run. Differs: "
    "otherwise, if the 95 % interval excludes 0. Inconclusive: neither. Not judged: fewer than three seeds, a "
    "protocol or data that differ or are unknown, or a published number whose error is unknown. If that number is "
    "about one trained model, the difference allows for the spread of one more; not if it is a mean over trainings. "
    "The authors' own weights are that one model, without a spread between trainings. The smallest half-width is "
    "that with any number of seeds, for these episodes and the published ±: at the margin or above, the verdict can "
    "never be agrees. Agreement shows that the difference is within the margin, which near 100 % is a large part of "
    "the error."
)
ANSWERS = (
    "Agrees: within the margin that was fixed before any run. Differs: otherwise, if beyond chance. Inconclusive: "
    "neither. Not judged: fewer than three seeds, or a protocol or data unlike the published number's."
)
PAIRS = (
    "The same seeds and the same test episodes for both methods. Only methods trained and tested under equal settings "
    "are compared: where a pair is missing, the two accuracies do not say which method is better. With fewer than "
    "three common seeds the interval covers these weights only. A p-value uses t with the seeds' degrees of freedom "
    "(two for three seeds). p (Holm) is corrected for all pairs of this table: it can be above 0.05 while the interval "
    "excludes 0, and then the table shows no difference. A setting chosen on validation at the edge of its range is "
    "named: beyond the edge might be better."
)
SEEDS = "Mean, with the half-width of its 95 % interval over episodes, for each training seed alone."
ANATOMY = (
    "Binomial part: the noise of an episode's query images, which are right or wrong. Between episodes: how the "
    "accuracy of one model varies beyond that. Shared difficulty: what is hard for all seeds, the query images "
    "included. Between seeds: how much trainings differ."
)
COMPATIBLE = (
    "A published ± and a test size imply how much the accuracy varies between episodes. A test size is consistent "
    "if that range, at 95 %, overlaps what published results and runs of about this accuracy show."
)
