// The page begins here: what it draws, when, and what the keys do.
import * as audit from './audit.js'
import * as dialog from './dialog.js'
import {draw, screen} from './draw.js'
import * as flow from './flow.js'
import * as held from './held.js'
import * as letters from './letters.js'
import * as list from './list.js'
import {alarm, button, changed, field, focus, form, h, links, logIn, logOut, number, quiet, readers, run, signs, span, stale, state, toggle, told, zone} from './parts.js'
import * as route from './route.js'
import {dismiss} from './send.js'

const THEMES = ['system', 'light', 'dark']

/** @param {'theme' | 'utc'} name @param {any} value */
function choose(name, value) {
	changed({[name]: value})
	try {
		localStorage.setItem(name, value)
	} catch {} // It lasts as long as the page.
}

function link() {
	const age = stale()
	return !state.loaded ? ['connecting', 'connecting'] : age ? ['stale', `stale for ${span(age)}`] : ['live', 'live']
}

function head() {
	const {who, utc, theme, route} = state, [is, text] = link()
	return h('header', h('a.brand', {href: '#/', label: 'flowgate, all flows'}, who?.label && quiet(`[${signs(who.label)}] `), 'flowgate'),
		links('Views', [['flows', '', 'Flows'], ['audit', 'audit', 'Audit'], ['letters', 'letters/dead', 'Letters']].map(([view, path, label]) => [`#/${path}`, label, view === route.view ? '1' : ''])),
		h('span.gap'), h('span.link', {class: is, role: 'status', 'aria-live': 'off', label: 'Connection'}, text),
		button(zone(), () => choose('utc', utc ? '' : '1'), {class: 'plain', 'aria-pressed': `${!!utc}`, label: `${zone()}: times in UTC`}),
		button(['◐', '☀', '☾'][THEMES.indexOf(theme)], () => choose('theme', THEMES[(THEMES.indexOf(theme) + 1) % 3]), {class: 'plain', label: `Theme: ${theme}`}), button('?', () => dialog.open('keys', []), {class: 'plain', label: 'Keyboard help'}),
		who && [h('span.me', told(who.name), quiet(` (${who.role})`)), who.name !== 'http' && button('Log out', logOut, {class: 'plain'})])
}

function banners() {
	const {who, newer, trouble, loaded} = state, age = loaded ? stale() : 0, say = (/** @type {unknown[]} */ ...kids) => h('p.banner', {role: 'status'}, kids)
	return [newer && say(`The gate is version ${newer} now, and this page is of the one before. `, button('Reload', () => location.reload())),
		age > 0 && h('p.banner.trouble', {role: 'alert'}, `This is not new any more. ${trouble || 'The gate hears nothing from Kafka.'}`),
		who?.read_only ? say('Read-only: this gate takes no commands over HTTP.') : who?.role === 'viewer' && say('A viewer may only look.')]
}

const notices = () => [h('section.notices', {label: 'Results'}, state.notices.map(({key, text, bad, details, undo}) => h('div.notice', {key, class: bad ? 'bad' : '', role: 'group', label: 'Result'}, h('p', bad && '⚠ ', text),
	details.length > 0 && h('details', h('summary', `${number(details.length)} in full`), details.map(detail => h('p', detail))), h('p', undo && button('Undo…', () => {dismiss(key); undo();}), button('Dismiss', () => dismiss(key), {class: 'plain'}))))),
h('p.unseen', {role: 'status'}, state.said)]

const login = () => state.login !== null && h('dialog', {'aria-labelledby': 'login', oncancel: event => event.preventDefault()}, form(({token}) => logIn(token.trim()), h('h2', {id: 'login'}, 'Log in'),
	field('Token', {type: 'password', name: 'token', autocomplete: 'current-password', autofocus: true, required: true}), h('p.quiet', h('code', 'flowgate token create NAME --role operator'), ' makes one.'), state.login && alarm(state.login), h('div.ends', h('button.main', 'Log in'))))

const VIEWS = {flows: list.view, flow: flow.view, audit: () => h('main.page', h('h1', 'Audit'), audit.view()), letters: letters.page}

const app = /** @type {HTMLElement} */ (document.getElementById('app'))
let due = false

screen.draw = () => {
	due = false
	const {view, id} = state.route, {paused} = state.counts
	Object.assign(document.documentElement.dataset, {link: link()[0], theme: state.theme})
	document.title = view === 'flow' ? `${id} · flowgate` : `${paused ? `(${number(paused)} paused) ` : ''}flowgate`
	draw(app, [head(), banners(), Object.assign(VIEWS[view](), {key: view}), notices(), dialog.view(), login()])
	for (const one of app.querySelectorAll('dialog')) if (!one.open) one.showModal()
}

/** @param {KeyboardEvent} event */
function key(event) {
	const target = /** @type {HTMLElement} */ (event.target), writes = target.closest('input:not([type=checkbox], [type=radio]), textarea, select'), {view, id} = state.route, listed = view === 'flows'
	if (state.dialog || state.login !== null || event.ctrlKey || event.metaKey || event.altKey || (writes && event.key !== 'Escape')) return
	const ids = view === 'flow' ? [id] : listed ? list.targets() : [], order = (/** @type {Kind} */ kind) => ids.length && (() => dialog.open(kind, ids))
	const escape = target.id === 'search' ? () => {target.blur(); route.set({q: ''}); list.move(0);} : listed ? () => changed({selected: new Set()}) : !writes && (() => route.go('#/'))
	/** @type {Record<string, any>} */
	const acts = {
		j: listed && (() => list.move(1)), k: listed && (() => list.move(-1)), x: listed && state.cursor && (() => toggle(state.selected, state.cursor)), p: order('pause'), r: order('resume'), Escape: escape,
		'?': () => dialog.open('keys', []), '/': () => {if (!listed) route.go('#/'); focus('#search');},
	}
	if (!acts[event.key]) return
	event.preventDefault()
	acts[event.key]()
}

try {
	Object.assign(state, {theme: localStorage.getItem('theme') || 'system', utc: !!localStorage.getItem('utc')})
} catch {} // As by itself.
readers.push(() => {
	for (const {load} of [held, audit, letters, flow]) load()
	if (!due) requestAnimationFrame(screen.draw)
	due = true
})
document.addEventListener('keydown', key)
window.addEventListener('resize', () => changed())
app.textContent = ''
route.start()
run()
