"""GoogleSQL's functions that DuckDB lacks or does otherwise, as macros.

Owns: their definitions; names begin with `bq_` so that they are told from DuckDB's own. dialect.py writes queries that
call them. Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
"""

from typing import TYPE_CHECKING

from local.cloud.bigquery.scalars import define_scalars

if TYPE_CHECKING:
    import duckdb

_CASTS = (
    "bq_int64(x double) as cast(round(x) as bigint), (x decimal(38, 9)) as cast(x as bigint), "
    "(x varchar) as bq_int64_of(trim(x)), (x boolean) as cast(x as bigint), (x bigint) as x, "
    "(x hugeint) as cast(x as bigint)",
    "bq_string(x) as case typeof(x) when 'JSON' then json_extract_string(cast(x as json), '$') "
    "else cast(x as varchar) end, (x blob) as decode(x), (x bigint) as cast(x as varchar), "
    "(x hugeint) as cast(x as varchar), (x boolean) as cast(x as varchar), (x date) as cast(x as varchar), "
    "(x timestamp) as cast(x as varchar), (x timestamptz) as cast(x as varchar), "
    "(x double) as case when isnan(x) then 'nan' else cast(x as varchar) end, "
    "(x decimal(38, 9)) as rtrim(rtrim(cast(x as varchar), '0'), '.')",
    "bq_number_text(x) as regexp_replace(regexp_replace(x, '[ ,$]', '', 'g'), '^(.*[^eE])([+-])$', '\\2\\1')",
    "bq_parse_numeric(x) as cast(bq_number_text(x) as decimal(38, 9))",
    "bq_parse_bignumeric(x) as cast(bq_number_text(x) as decimal(38, 19))",
    "bq_json_type(x) as case json_type(x) when 'OBJECT' then 'object' when 'ARRAY' then 'array' "
    "when 'VARCHAR' then 'string' when 'BOOLEAN' then 'boolean' when 'NULL' then 'null' else 'number' end",
    "bq_json_int64(x) as case when json_type(x) in ('BIGINT', 'UBIGINT') then cast(x as bigint) "
    "when json_type(x) = 'DOUBLE' and cast(x as double) % 1 = 0 then cast(cast(x as double) as bigint) "
    "else bq_fail('The provided JSON input is not an integer') end",
    "bq_json_float64(x) as case when bq_json_type(x) = 'number' then cast(x as double) "
    "else bq_fail('The provided JSON input is not a number') end",
    "bq_json_bool(x) as case when json_type(x) = 'BOOLEAN' then cast(x as boolean) "
    "else cast(bq_fail('The provided JSON input is not a boolean') as boolean) end",
    "bq_lax_string(x) as case when json_type(x) in ('OBJECT', 'ARRAY') then null else json_extract_string(x, '$') end",
    "bq_lax_float64(x) as coalesce(try_cast(bq_lax_string(x) as double), "
    "case bq_lax_string(x) when 'true' then 1.0 when 'false' then 0.0 end)",
    "bq_lax_int64(x) as try_cast(round(bq_lax_float64(x)) as bigint)",
    "bq_lax_bool(x) as case lower(bq_lax_string(x)) when 'true' then true when 'false' then false "
    "else bq_lax_float64(x) <> 0 end",
    "bq_to_json_string(x) as bq_json_string(typeof(x), cast(to_json(x) as varchar), true)",
    "bq_json_pair(k varchar, v) as bq_json_members([k], [bq_to_json_string(v)]), "
    "(k varchar[], v) as bq_json_members(k, list_transform(v, lambda each: bq_to_json_string(each)))",
    "bq_bool(x varchar) as case lower(x) when 'true' then true when 'false' then false "
    "else cast(bq_fail('Bad bool value: ' || x) as boolean) end, (x bigint) as cast(x as boolean), (x boolean) as x",
)
_NUMBERS = (
    "bq_nan(x double) as isnan(x), (x varchar) as false, (x bigint) as false, (x timestamp) as false, "
    "(x date) as false, (x boolean) as false, (x decimal(38, 9)) as false",
    "bq_avg(x double) as avg(x), (x bigint) as avg(x), (x hugeint) as avg(x), (x interval) as avg(x), "
    "(x decimal(38, 9)) as cast(avg(x) as decimal(38, 9))",
    "bq_corr(a, b) as case when regr_count(a, b) < 2 then null else corr(a, b) end",
    "bq_sec(x) as 1 / cos(x)",
    "bq_csc(x) as 1 / sin(x)",
    "bq_sech(x) as 1 / cosh(x)",
    "bq_csch(x) as 1 / sinh(x)",
    "bq_coth(x) as 1 / tanh(x)",
    "bq_cot(x) as case when x = 0 then bq_fail('Floating point error in function: COT(0)') else cot(x) end",
    "bq_divisor(a, b) as case when b = 0 then bq_fail('division by zero: ' || a || ' / ' || b) else b end",
    "bq_div(a, b) as a / bq_divisor(a, b)",
    "bq_int_div(a, b) as a // bq_divisor(a, b)",
    "bq_mod(a, b) as a % case when b = 0 then bq_fail('division by zero: MOD(' || a || ', ' || b || ')') else b end",
    "bq_safe_negate(x bigint) as case when x = -9223372036854775808 then null else -x end, (x double) as -x, "
    "(x hugeint) as -x, (x decimal(38, 9)) as -x",
    "bq_ieee_divide(a, b) as cast(a as double) / cast(b as double)",
    "bq_range_bucket(x, bounds) as case when list_sort(bounds) <> bounds "
    "then bq_fail('Elements in input array to RANGE_BUCKET need to be in ascending order') "
    "else len(list_filter(bounds, lambda each: each <= x)) end",
    "bq_sign(x double) as cast(sign(x) as double), (x decimal(38, 9)) as cast(sign(x) as decimal(38, 9)), "
    "(x bigint) as cast(sign(x) as bigint)",
    "bq_pow(a, b) as case when a < 0 and b <> floor(b) or a = 0 and b < 0 "
    "then bq_fail('Floating point error in function: POW(' || a || ', ' || b || ')') else pow(a, b) end",
    "bq_sqrt(x) as case when x < 0 then bq_fail('Argument to SQRT cannot be negative: ' || x) else sqrt(x) end",
    "bq_ln(x) as case when x <= 0 then bq_fail('Floating point error in function: LN(' || x || ')') else ln(x) end",
    "bq_log(x, base) as case when x <= 0 or base <= 0 or base = 1 "
    "then bq_fail('Floating point error in function: LOG(' || x || ', ' || base || ')') else ln(x) / ln(base) end",
    "bq_bit_count(x bigint) as cast(bit_count(x) as bigint), "
    "(x blob) as case when octet_length(x) = 0 then 0 else cast(bit_count(cast(x as bit)) as bigint) end",
)
_ARRAYS = (
    "bq_offset(items, i) as items[case when i < 0 or i >= len(items) "
    "then bq_fail('Array index ' || i || ' is out of bounds') else i + 1 end]",
    "bq_item(x, i) as case when typeof(x) = 'JSON' then x[i] else bq_offset(x, i) end",
    "bq_ordinal(items, i) as items[case when i < 1 or i > len(items) "
    "then bq_fail('Array index ' || i || ' is out of bounds') else i end]",
    "bq_array_first(items) as items[case when len(items) = 0 "
    "then bq_fail('ARRAY_FIRST cannot get the first element of an empty array') else 1 end]",
    "bq_array_last(items) as items[case when len(items) = 0 "
    "then bq_fail('ARRAY_LAST cannot get the last element of an empty array') else len(items) end]",
    "bq_array_slice(items, first, last) as list_slice(items, greatest(case when first < 0 then len(items) + first "
    "else first end, 0) + 1, case when last < 0 then len(items) + last else last end + 1)",
    "bq_generate_array(a bigint, b bigint) as generate_series(a, b), (a bigint, b bigint, step bigint) as "
    "case when step = 0 then error('Sequence step cannot be 0.') else generate_series(a, b, step) end, "
    "(a double, b double) as list_transform(range(cast(floor(b - a) as bigint) + 1), lambda each: a + each), "
    "(a double, b double, step double) as case when step = 0 then error('Sequence step cannot be 0.') "
    "else list_transform(range(cast(floor((b - a) / step + 1e-9) as bigint) + 1), lambda each: a + each * step) end",
    "bq_top_count(x, n) as list_transform(list_sort(list_transform(map_entries(histogram(x)), "
    "lambda each: {c: -cast(each.value as bigint), v: each.key}))[:n], "
    'lambda each: {value: each.v, "count": -each.c})',
    "bq_top_sum(x, weight, n) as list_transform(list_sort(list_transform(list_distinct(list(x)), "
    "lambda one: {s: -list_sum(list_transform(list_filter(list({x: x, w: weight}), lambda each: each.x = one), "
    "lambda each: each.w)), v: one}))[:n], lambda each: {value: each.v, sum: -each.s})",
)
_TEXT = (
    "bq_byte_length(x varchar) as strlen(x), (x blob) as octet_length(x)",
    "bq_bytes_slice(x, start, size) as unhex(substr(hex(x), 2 * start - 1, 2 * size))",
    "bq_start(start, size) as case when start > 0 then start when start = 0 or -start > size then 1 "
    "else size + start + 1 end",
    "bq_substr(x varchar, start) as substr(x, bq_start(start, length(x))), "
    "(x blob, start) as bq_bytes_slice(x, bq_start(start, octet_length(x)), octet_length(x)), "
    "(x varchar, start, size) as case when size < 0 "
    "then cast(bq_fail('Third argument in SUBSTR() cannot be negative') as varchar) "
    "else substr(x, bq_start(start, length(x)), size) end, "
    "(x blob, start, size) as case when size < 0 then error('Third argument in SUBSTR() cannot be negative') "
    "else bq_bytes_slice(x, bq_start(start, octet_length(x)), size) end",
    "bq_left(x varchar, n) as left(x, n), (x blob, n) as bq_bytes_slice(x, 1, n)",
    "bq_right(x varchar, n) as right(x, n), (x blob, n) as bq_bytes_slice(x, greatest(octet_length(x) - n, 0) + 1, n)",
    "bq_reverse(x varchar) as reverse(x), (x blob) as unhex(array_to_string(list_reverse("
    "list_transform(range(octet_length(x)), lambda i: substr(hex(x), 2 * i + 1, 2))), ''))",
    "bq_starts(text, part) as list_filter(range(1, length(text) + 1), lambda i: substr(text, i, length(part)) = part)",
    "bq_instr(text, part) as strpos(text, part), (text, part, start) as bq_instr_from(text, part, start, 1), "
    "(text, part, start, n) as bq_instr_from(text, part, start, n)",
    "bq_unicode(text) as case when text = '' then 0 else cast(unicode(text) as bigint) end",
    "bq_to_code_points(x varchar) as list_transform(string_split(x, ''), lambda each: cast(unicode(each) as bigint)), "
    "(x blob) as list_transform(range(octet_length(x)), "
    "lambda i: cast('0x' || substr(hex(x), 2 * i + 1, 2) as bigint))",
    "bq_bytes(x varchar) as encode(x), (x blob) as x",
    "bq_byte_string(x blob) as try(decode(x)), (x varchar) as x",
    "bq_farm_fingerprint(x varchar) as bq_fingerprint(encode(x)), (x blob) as bq_fingerprint(x)",
    "bq_sha512_of(x varchar) as bq_sha512(encode(x)), (x blob) as bq_sha512(x)",
)
_TIMES = (
    "bq_week(x, first) as cast(floor((dayofyear(x) + 6 - ((dayofweek(x) - first + 7) % 7)) / 7) as bigint)",
    "bq_timestamp_diff(later, earlier, part) as "
    "date_sub(part, cast(earlier as timestamptz), cast(later as timestamptz))",
    "bq_as(alike date, x) as cast(x as date), "
    "(alike timestamp, x) as cast(x as timestamp), "
    "(alike timestamptz, x) as cast(x as timestamptz)",
    "bq_unix_seconds(x) as cast(floor(epoch_us(x) / 1000000) as bigint)",
    "bq_unix_millis(x) as cast(floor(epoch_us(x) / 1000) as bigint)",
    "bq_time_trunc(x, part) as cast(date_trunc(part, date '1970-01-01' + x) as time)",
    "bq_cast_time(form, x date, zone) as bq_format_time(form, epoch_us(x), null), "
    "(form, x timestamp, zone) as bq_format_time(form, epoch_us(x), null), "
    "(form, x timestamptz, zone) as bq_format_time(form, epoch_us(x), zone), "
    "(form, x time, zone) as bq_format_time(form, epoch_us(x), null)",
    "bq_string_in(x, zone) as rtrim(rtrim(bq_format_time('%Y-%m-%d %H:%M:%E*S%Ez', epoch_us(x), zone), '0'), ':0')",
)
_FIRST = (
    "bq_fail(message) as cast('GoogleSQL: ' || message as bigint)",  # error() cannot stand within try()
    r"bq_int64_of(x) as case when regexp_full_match(x, '[+-]?\d+') then cast(x as bigint) "
    "when regexp_full_match(x, '-0[xX][0-9a-fA-F]+') then -try_cast(x[2:] as bigint) "
    "when regexp_full_match(x, '0[xX][0-9a-fA-F]+') then try_cast(x as bigint) "
    "else bq_fail('Bad int64 value: ' || x) end",
    "bq_starts(text, part) as list_filter(range(1, length(text) + 1), lambda i: substr(text, i, length(part)) = part)",
    "bq_instr_from(text, part, start, n) as coalesce(case when start > 0 "
    "then list_filter(bq_starts(text, part), lambda i: i >= start)[n] "
    "else list_reverse(list_filter(bq_starts(text, part), lambda i: i <= length(text) + start + 1))[n] end, 0)",
)
_MACROS = (*_FIRST, *_CASTS, *_NUMBERS, *_ARRAYS, *_TEXT, *_TIMES)


def define_functions(connection: "duckdb.DuckDBPyConnection") -> None:
    """Put every macro into the database, over those of an older release."""
    define_scalars(connection)
    for macro in _MACROS:
        connection.execute(f"create or replace macro {macro}")
