// What was not delivered: what could not be understood, and what was discarded on purpose.
import {open} from './dialog.js'
import {content} from './json.js'
import {ensure, foot} from './pages.js'
import {box, button, field, flowLink, form, h, links, number, quiet, set, state, time, toggle, told, unfold} from './parts.js'

/** @returns {Shown | null} */
function shown() {
	const {view, id, tab, query} = state.route, flow = view === 'flow' ? id : (query.get('flow') ?? '')
	return (view === 'flow' || view === 'letters') && (tab === 'dead' || tab === 'discarded') ? {kind: tab, flow} : null
}

export function load() {
	const which = shown(), query = new URLSearchParams({values: String(state.who?.role !== 'viewer')})
	if (!which || !state.who) return
	if (which.flow) query.set('flow', which.flow)
	if (state.route.query.get('hide')) query.set('redriven', 'false')
	ensure('letters', `letters/${which.kind}?${query}`)
}

/** @param {Letter} letter */
function item(letter) {
	const {item, flow_id: id, record_id: record, detail, value, source, redriven} = letter, kind = shown()?.kind ?? 'dead', ofAll = state.route.view === 'letters'
	return h('li.item', {key: item}, box('', state.ticked.has(item), () => toggle(state.ticked, item), `Tick letter ${item}`),
		unfold(item, [h('span.entry', item), time(letter.set_aside_at), ofAll && h('span.record', id === null ? quiet('no flow') : told(id)), h('span.record', record !== null && told(record)), h('span.what', told(detail)),
			redriven?.times !== 0 && h('span', redriven ? `redriven ${number(redriven.times)}${redriven.exact ? '' : '+'}×` : 'redriven?')],
		() => [h('p.filters', kind === 'dead' && value?.encoding === 'utf-8' && button('Edit…', () => open('edit', [], {edit: value.data}, {letter, letters: {kind, items: [item]}}), {label: `Edit letter ${item}…`}), ofAll && id !== null && h('a', {href: flowLink(id)}, 'Open ', told(id))),
		h('p', told(detail)), content(letter), h('p.quiet', 'set aside at ', time(letter.set_aside_at, true), source && ` · from ${source.topic} ${source.partition}/${source.offset}`, ` · ${number(letter.bytes)} bytes`)]))
}

/** @param {string} reason @param {Letter[]} letters @param {Shown} which */
function group(reason, letters, {kind, flow}) {
	const words = reason.replaceAll('_', ' '), which = {kind, reason, ...(flow && {flow_id: flow})}
	return h('section', {key: reason}, h('div.filters', h('h2', `${words} ${number(letters.length)}${state.letters.next ? '+' : ''}`), button(`Redrive all that are ${words}…`, () => open('redrive', [], {}, {letters: which}))),
		h('ul', {label: `Letters: ${words}`}, letters.map(item)))
}

export function view() {
	const which = shown() ?? {kind: 'dead', flow: ''}, {items} = state.letters, ticked = items.map(({item}) => item).filter(item => state.ticked.has(item))
	return [form(set, state.route.view === 'letters' && [field('Flow', {name: 'flow', value: which.flow}), h('button', 'Look')], box('Hide what was redriven', !!state.route.query.get('hide'), on => set({hide: on ? '1' : ''})),
			button('Redrive ticked…', () => open('redrive', [], {}, {letters: {kind: which.kind, items: ticked}}), {disabled: !ticked.length})),
		[...Map.groupBy(items, letter => letter.reason)].map(([reason, letters]) => group(reason, letters, which)),
		foot('letters', 'letter', `${which.kind === 'dead' ? 'All events were understood.' : 'Nothing was discarded.'} Letters are kept for 90 days.`)]
}

export const page = () => h('main.page', h('h1', 'Letters'), links('Which letters', [['dead', 'Dead letters'], ['discarded', 'Discarded']].map(([kind, name]) => [`#/letters/${kind}`, name, kind === state.route.tab ? '1' : ''])), view())
