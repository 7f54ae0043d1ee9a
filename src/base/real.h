/* real.h - exp and log that give the same bits on every machine and with every compiler.
 *
 * libm may differ between versions by a last bit, and a decision that hangs on it would replay
 * differently. These use only + - * / and integer operations, so with -ffp-contract=off they
 * are exactly reproducible. Relative error below 1e-14 over the whole range.
 */
#ifndef UB_BASE_REAL_H
#define UB_BASE_REAL_H

double ub_exp(double x); /* 0 below -745, infinity above 709.78 */
double ub_log(double x); /* natural; x > 0, else -infinity (0) or NaN (negative) */

/* 1 - exp(-dt / tau): the share that a new sample gets in an exponential average with memory tau.
 */
double ub_decay_share(double dt, double tau);

#endif
