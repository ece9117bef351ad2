#include "cli/table.h"

#include <gmock/gmock.h>

#include "cli/text.h"
#include "tests/cli/fake_job.h"

namespace flashtile::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> texts(const std::vector<TableLine>& lines) {
  std::vector<std::string> result;
  for (const TableLine& line : lines) result.push_back(line.text);
  return result;
}

Row right_row(const std::string& way, double seconds) {
  Row row;
  row.way = way;
  row.judged = row.timed = true;
  row.timing = summarize({seconds, seconds, seconds});
  row.verdict.compare(1.001, 1, 0.01, [] { return "c[0,0]"; });
  return row;
}

Row refused_row(const std::string& way, const std::string& reason) {
  Row row;
  row.way = way;
  row.refusal = reason;
  return row;
}

const bench::Peaks kPeaks{2e9, "test units", 1e9};

TEST(Table, TimedRows) {
  const FakeJob job;  // a million operations and a thousand bytes
  const std::vector<TableLine> lines =
      table_of(job, {right_row("right", 1e-3), refused_row("absent", "no")}, &kPeaks);
  EXPECT_THAT(texts(lines), ElementsAre("way       time  GFLOP/s  GB/s  of peak  max error  of bound  verdict",
                                        "right  1.00 ms      1.0   0.0   50.0 %   1.00e-03    10.0 %  ok"));
  EXPECT_EQ(lines[1].tone, Tone::good);
  EXPECT_THAT(texts(table_of(job, {right_row("right", 1e-3)}, nullptr))[0], testing::Not(HasSubstr("peak")));
}

TEST(Table, UntimedRowsSayTheirBound) {
  const FakeJob job;
  Row wrong = right_row("wrong", 1);
  wrong.timed = false;
  wrong.verdict.compare(3, 1, 0.5, [] { return "c[0,1]"; });
  const std::vector<TableLine> lines = table_of(job, {wrong}, nullptr);
  EXPECT_THAT(texts(lines), ElementsAre("way    max error  its bound  of bound  verdict",
                                        "wrong   2.00e+00   5.00e-01   400.0 %  wrong"));
  EXPECT_EQ(lines[1].tone, Tone::bad);
  EXPECT_THAT(texts(table_of(job, {refused_row("absent", "no")}, nullptr)),
              ElementsAre("none of the ways can do this"));
}

TEST(Table, FitsEightyColumns) {
  const FakeJob job;
  std::vector<Row> rows;
  for (const double seconds : {1e-9, 9.999e-4, 0.9999, 12345.0}) {
    rows.push_back(right_row("vendor.cublas", seconds));
    rows.back().verdict.compare(1, 9e30, 9e30, [] { return "c[1,0]"; });
  }
  const bench::Peaks peaks{1e15, "vendor matrix product, bf16", 4e12};
  rows.push_back(refused_row(
      "right", std::string("a reason of many words ") + std::string(70, 'x') + " and then some more words"));
  Options options = options_for({"all"});
  options.shapes.clear();
  options.a = "a/path/that/is/rather/long/a.npy";
  options.b = "a/path/that/is/rather/long/b.npy";
  for (const auto& lines :
       {title_of(job, options), table_of(job, rows, &peaks), footnotes_of(job, options, rows, &peaks)}) {
    for (const TableLine& line : lines) EXPECT_LE(line.text.size(), kColumns) << line.text;
  }
}

TEST(Table, TheTitleNamesTheFiles) {
  const FakeJob job;
  Options options = options_for({"all"});
  EXPECT_THAT(texts(title_of(job, options)), ElementsAre("random inputs, seed 0: gemm, f32, M 1"));
  options.shapes.clear();
  options.a = "a.npy";
  options.b = "-";
  EXPECT_THAT(texts(title_of(job, options)), ElementsAre("a.npy, standard input: gemm, f32, M 1"));
  options.file = "ab.npz";
  EXPECT_THAT(texts(title_of(job, options)), ElementsAre("ab.npz: gemm, f32, M 1"));
}

TEST(Table, FootnotesExplainTheWordsAndCollapseWhatIsNotHere) {
  const FakeJob job;
  Row busy = right_row("right", 1e-3);
  busy.timing = summarize({1, 1, 9, 9});
  const std::vector<std::string> lines = texts(footnotes_of(
      job, options_for({"all"}),
      {busy, refused_row("absent", "it is not there"), refused_row("wrong", "too small")}, &kPeaks));
  EXPECT_THAT(lines[0], HasSubstr("max error: largest distance from the oracle"));
  EXPECT_THAT(lines, testing::Contains(
                         "right: its samples differ by 160 % (20 % to 80 % quantile); the machine is busy"));
  EXPECT_THAT(lines, testing::Contains("wrong declined: too small"));
  EXPECT_EQ(lines.back(), "not in this build: absent (flashtile info)");
}

TEST(Table, SecondsForPeople) {
  EXPECT_EQ(format_seconds(331e-6), "331 us");
  EXPECT_EQ(format_seconds(12.34e-6), "12.3 us");
  EXPECT_EQ(format_seconds(1.234e-3), "1.23 ms");
  EXPECT_EQ(format_seconds(999.9e-6), "1.00 ms");
  EXPECT_EQ(format_seconds(12.3), "12.3 s");
}

TEST(Text, WordsAreWrapped) {
  EXPECT_THAT(wrapped("aa bb cc", 5), ElementsAre("aa bb", "  cc"));
  EXPECT_THAT(wrapped("aa bb cc", 5, 0), ElementsAre("aa bb", "cc"));
  EXPECT_THAT(wrapped("a longest b", 5), ElementsAre("a", "  longest", "  b"));
  EXPECT_TRUE(wrapped("").empty());
}

}  // namespace
}  // namespace flashtile::cli
