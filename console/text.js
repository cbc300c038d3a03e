// Numbers, times and texts of strangers, as people read them.
import {now} from './clock.js'
import {h} from './draw.js'
import {state} from './store.js'

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
const numbers = new Intl.NumberFormat()
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu

/** @param {number} value */
export const number = value => numbers.format(value)
/** @param {number} part of 1 */
export const percent = part => `${Math.floor(part * 100)} %`
/** @param {number} count @param {string} one */
export const counted = (count, one) => `${number(count)} ${one}${count === 1 ? '' : 's'}`
/** @param {PerKind} kinds */
export const both = kinds => kinds.enroll + kinds.advance
/** @param {unknown} problem */
export const why = problem => (problem instanceof Error ? problem.message : String(problem))

/** In its two largest units. @param {number} ms */
export function span(ms) {
	const units = /** @type {[string, number][]} */ ([['d', DAY], ['h', HOUR], ['min', MINUTE], ['s', SECOND]]), first = units.findIndex(([, unit]) => ms >= unit)
	const parts = units.slice(first, first + 2).map(([name, unit], place) => [Math.floor((place ? ms % units[first][1] : ms) / unit), name])
	return first < 0 ? '0 s' : parts.filter(([count]) => count).map(([count, name]) => `${number(+count)} ${name}`).join(' ')
}

/** Such as `1 d 03:12:44`. @param {number} ms */
export function countdown(ms) {
	const clock = [(ms % DAY) / HOUR, (ms % HOUR) / MINUTE, (ms % MINUTE) / SECOND].map(value => String(Math.floor(value)).padStart(2, '0')).join(':')
	return ms >= DAY ? `${Math.floor(ms / DAY)} d ${clock}` : clock
}

/** Of a text such as `1h 30m`; else NaN. @param {string} text */
export function seconds(text) {
	const units = /** @type {Record<string, number>} */ ({s: 1, m: 60, h: 3600, d: 86_400})
	return /^(\s*\d+\s*[smhd])+\s*$/.test(text) ? [...text.matchAll(/(\d+)\s*([smhd])/g)].reduce((sum, [, count, unit]) => sum + +count * units[unit], 0) : NaN
}

/** @param {number} at */
function parts(at) {
	const two = '2-digit', form = new Intl.DateTimeFormat('en-CA', {timeZone: state.utc ? 'UTC' : undefined, year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, hourCycle: 'h23', timeZoneName: 'longOffset'})
	const {year, month, day, hour, minute, second, timeZoneName} = Object.fromEntries(form.formatToParts(at).map(({type, value}) => [type, value]))
	return {day: `${year}-${month}-${day}`, clock: `${hour}:${minute}:${second}`, offset: timeZoneName.slice(3) || '+00:00'}
}

/** @param {number} at */
function whole(at) {
	const {day, clock, offset} = parts(at)
	return `${day} ${clock} ${offset}`
}

/** Such as `UTC+01:00`. */
export const zone = () => (state.utc ? 'UTC' : 'UTC' + parts(Date.now()).offset)

/** Has times in a sentence as people read them. @param {string} text */
export const dated = text => text.replace(/`(.*?)`/g, '“$1”').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, time => whole(Date.parse(time)))

/** Without its day where that is today; whole on hover. @param {string} when @param {boolean} [all] */
export function time(when, all) {
	const at = Date.parse(when), {day, clock} = parts(at), text = whole(at), ms = at - now()
	return h('time', {datetime: when, title: `${text}, ${ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`}`}, all ? text : day === parts(now()).day ? clock : `${day} ${clock}`)
}

/** What moves text, or shows nothing, is shown as a sign. @param {string} text */
export const signs = text => text.replace(HIDDEN, sign => {
	const code = sign.codePointAt(0) ?? 0
	return code < 32 ? String.fromCharCode(0x2400 + code) : `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`
})

/** Text of a stranger. @param {string} text */
export const told = text => h('bdi', {dir: 'auto', title: signs(text)}, signs(text))

/** @param {string} word of a command line */
export function shell(word) {
	if (/^[\w@%+=:,./-]+$/.test(word)) return word
	if (word.search(HIDDEN) < 0) return `'${word.replaceAll("'", "'\\''")}'`
	return `$'${[...new TextEncoder().encode(word)].map(byte => (byte > 31 && byte < 127 && byte !== 39 && byte !== 92 ? String.fromCharCode(byte) : '\\x' + byte.toString(16).padStart(2, '0'))).join('')}'`
}
