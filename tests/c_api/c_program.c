// A program in C: attention whose answer is known, a product, a plan, and refused calls. Exits 0 when all are right.
#include <flashtile/flashtile.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int wrong = 0;

static void expect(int right, const char* what) {
  if (right) return;
  ++wrong;
  printf("wrong: %s (%s)\n", what, flashtile_error_message());
}

static flashtile_tensor packed(void* data, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
  flashtile_tensor tensor;
  const int64_t shape[] = {a, b, c, d};
  if (flashtile_packed_tensor(&tensor, data, FLASHTILE_F32, rank, shape) != FLASHTILE_OK) FLASHTILE_INIT(tensor);
  return tensor;
}

/// Two queries, two equal keys whose values are 1 and 3: the mean, or the first value where causal hides the second.
static void attend(void) {
  float q[8] = {1, 1, 1, 1, 1, 1, 1, 1}, k[8] = {1, 1, 1, 1, 1, 1, 1, 1}, v[8] = {1, 1, 1, 1, 3, 3, 3, 3};
  float out[8], lse[2];
  const flashtile_tensor tq = packed(q, 4, 1, 1, 2, 4), tk = packed(k, 4, 1, 1, 2, 4), tv = packed(v, 4, 1, 1, 2, 4);
  const flashtile_tensor to = packed(out, 4, 1, 1, 2, 4), tl = packed(lse, 3, 1, 1, 2, 0);

  flashtile_attention_outputs outputs;
  FLASHTILE_INIT(outputs);
  outputs.out = &to;
  outputs.lse = &tl;
  expect(flashtile_attention(&outputs, &tq, &tk, &tv, NULL) == FLASHTILE_OK, "attention");
  expect(out[0] == 2.0f && out[7] == 2.0f, "the mean of 1 and 3");
  expect(fabsf(lse[0] - (2.0f + logf(2.0f))) < 1e-6f, "lse");

  flashtile_attention_options options;
  FLASHTILE_INIT(options);
  const float scale = 0.25f;
  options.causal = FLASHTILE_TOP_LEFT;
  options.scale = &scale;
  expect(flashtile_attention(&outputs, &tq, &tk, &tv, &options) == FLASHTILE_OK, "causal attention");
  expect(out[0] == 1.0f && out[7] == 2.0f && fabsf(lse[0] - 1.0f) < 1e-6f, "the first value, then the mean");

  flashtile_plan* plan = NULL;
  options.way = "unfused";
  expect(flashtile_plan_attention(&plan, NULL, &tq, &tk, &tv, &options) == FLASHTILE_OK, "plan");
  expect(strcmp(flashtile_plan_way(plan), "unfused") == 0 && flashtile_plan_stores_scores(plan) == 1, "the way");
  expect(flashtile_plan_refused_count(plan) > 0 && flashtile_plan_refused_reason(plan, 0)[0] != '\0', "reasons");
  flashtile_plan_free(plan);

  options.way = "nonsense";
  expect(flashtile_attention(&outputs, &tq, &tk, &tv, &options) == FLASHTILE_INVALID_ARGUMENT, "a way that is none");
  expect(strstr(flashtile_error_message(), "nonsense") != NULL, "its name in the message");
}

static void multiply(void) {
  float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 0, 1, 1, 1}, c[4] = {NAN, NAN, NAN, NAN};
  const flashtile_tensor ta = packed(a, 2, 2, 3, 0, 0), tb = packed(b, 2, 3, 2, 0, 0), tc = packed(c, 2, 2, 2, 0, 0);
  expect(flashtile_gemm(&tc, &ta, &tb, NULL) == FLASHTILE_OK, "gemm");
  expect(c[0] == 4 && c[1] == 5 && c[2] == 10 && c[3] == 11, "the product");
}

int main(void) {
  attend();
  multiply();
  printf("flashtile %s: %d wrong\n", flashtile_version(), wrong);
  return wrong;
}
