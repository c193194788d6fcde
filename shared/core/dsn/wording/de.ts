import type { Wording } from './wording.ts';

const months = ['Januar', 'Februar', 'März', 'April', 'Mai', 'Juni', 'Juli', 'August', 'September', 'Oktober', 'November', 'Dezember'];

export const de: Wording = {
  language: 'de',
  titles: {
    failed: 'Ihre Nachricht konnte nicht zugestellt werden',
    partlyFailed: 'Ihre Nachricht konnte nicht allen zugestellt werden',
    delayed: 'Ihre Nachricht verspätet sich',
    relayed: 'Ihre Nachricht wurde weitergeleitet',
    delivered: 'Ihre Nachricht wurde zugestellt',
  },
  date: ({ day, month, year, time }) => `${day}. ${months[month]} ${year}, ${time} Uhr UTC`,
  intro: ({ host, date, subject }) =>
    `Dies ist eine automatische Nachricht des Mailsystems ${host}. Es geht um Ihre Nachricht${subject ? ` „${subject}“` : ''}${date ? ` vom ${date}` : ''}.`,
  outcomes: {
    failed: 'Ihre Nachricht konnte nicht zugestellt werden an:',
    expired:
      'Die Zustellung Ihrer Nachricht wurde wiederholt versucht, bis die Frist ablief. Ihre Nachricht konnte nicht zugestellt werden an:',
    delayed: 'Ihre Nachricht konnte bisher nicht zugestellt werden an:',
    relayed: 'Ihre Nachricht wurde an das Mailsystem folgender Empfänger weitergeleitet:',
    delivered: 'Ihre Nachricht wurde zugestellt an:',
  },
  said: (server) => (server ? `Der Server ${server} antwortete:` : 'Der Server dort antwortete:'),
  noted: 'Unser Mailsystem vermerkte:',
  next: {
    failed: 'Es wird kein weiterer Zustellversuch unternommen.',
    delayed: (until, isFailureTold) =>
      `Sie brauchen nichts zu tun und die Nachricht nicht noch einmal zu senden: Die Zustellung wird${until ? ` bis zum ${until}` : ''} weiter versucht.` +
      (isFailureTold ? ' Sollte sie endgültig scheitern, erhalten Sie Bescheid.' : ''),
    relayed:
      'Jenes System bestätigt keine Zustellungen, daher folgt keine weitere Meldung. Sie erhalten diese Nachricht, weil Sie darum gebeten haben.',
    delivered: 'Sie erhalten diese Nachricht, weil Sie darum gebeten haben.',
  },
  classes: {
    2: 'Alles ist in Ordnung.',
    4: 'Es gab ein Problem, das vorübergehend sein kann.',
    5: 'Die Nachricht wurde abgelehnt; den Grund nennt die Antwort des Servers.',
  },
  reasons: {
    '1.0': 'Mit der Adresse stimmt etwas nicht.',
    '1.1': 'Unter dieser Adresse gibt es kein Postfach.',
    '1.2': 'Für den Teil der Adresse nach dem „@“ gibt es kein Mailsystem.',
    '1.3': 'Die Adresse ist nicht richtig geschrieben.',
    '1.4': 'Die Adresse passt auf mehr als ein Postfach.',
    '1.5': 'Die Adresse ist richtig.',
    '1.6': 'Der Empfänger hat die Adresse gewechselt und keine neue hinterlassen.',
    '1.7': 'Die Adresse, von der Sie senden, ist nicht richtig geschrieben.',
    '1.8': 'Die Domain Ihrer Absenderadresse gibt es nicht, oder sie nimmt keine Mail an.',
    '1.9': 'Die Nachricht wurde an ein System weitergeleitet, das nicht melden kann, was aus ihr wird.',
    '1.10': 'Die Domain der Adresse empfängt grundsätzlich keine Mail.',
    '2.0': 'Mit dem Postfach stimmt etwas nicht.',
    '2.1': 'Das Postfach ist abgeschaltet oder nimmt keine Nachrichten an.',
    '2.2': 'Das Postfach ist voll.',
    '2.3': 'Die Nachricht ist größer, als dieses Postfach erlaubt.',
    '2.4': 'Mit der Mailingliste unter dieser Adresse gibt es ein Problem.',
    '3.0': 'Im Mailsystem des Empfängers gibt es ein Problem.',
    '3.1': 'Im Mailsystem des Empfängers ist kein Platz mehr.',
    '3.2': 'Das Mailsystem des Empfängers nimmt zurzeit keine Nachrichten an.',
    '3.3': 'Das Mailsystem des Empfängers kann nicht, was diese Nachricht erfordert.',
    '3.4': 'Die Nachricht ist größer, als das Mailsystem des Empfängers erlaubt.',
    '3.5': 'Das Mailsystem des Empfängers ist nicht richtig eingerichtet.',
    '3.6': 'Die Priorität der Nachricht wurde geändert.',
    '4.0': 'Auf dem Weg zum Mailsystem des Empfängers gibt es ein Netzwerkproblem.',
    '4.1': 'Das Mailsystem des Empfängers antwortet nicht.',
    '4.2': 'Die Verbindung zum Mailsystem des Empfängers brach ab.',
    '4.3': 'Die Adresse des Mailsystems des Empfängers konnte nicht ermittelt werden.',
    '4.4': 'Es ist kein Weg zum Mailsystem des Empfängers bekannt.',
    '4.5': 'Das Mailsystem des Empfängers ist überlastet.',
    '4.6': 'Die Nachricht lief zwischen Mailsystemen im Kreis.',
    '4.7': 'Die Nachricht konnte nicht innerhalb der erlaubten Zeit zugestellt werden.',
    '5.0': 'Die Mailsysteme haben einander nicht verstanden.',
    '5.1': 'Ein Mailsystem erhielt einen Befehl, den es nicht erlaubt.',
    '5.2': 'Ein Mailsystem erhielt einen Befehl, den es nicht lesen konnte.',
    '5.3': 'Die Nachricht hat mehr Empfänger, als das Mailsystem auf einmal annimmt.',
    '5.4': 'Ein Mailsystem erhielt einen Befehl mit Angaben, die es nicht annimmt.',
    '5.5': 'Die Mailsysteme sprechen verschiedene Versionen ihrer Sprache.',
    '5.6': 'Die Anmeldung beim anderen Mailsystem war zu lang.',
    '6.0': 'Mit dem Inhalt der Nachricht stimmt etwas nicht.',
    '6.1': 'Der Inhalt der Nachricht ist von einer Art, die dort nicht angenommen wird.',
    '6.2': 'Der Inhalt müsste umgewandelt werden, was nicht erlaubt ist.',
    '6.3': 'Der Inhalt müsste umgewandelt werden, was nicht möglich ist.',
    '6.4': 'Der Inhalt ließe sich nur mit Verlusten umwandeln.',
    '6.5': 'Der Inhalt konnte nicht umgewandelt werden.',
    '6.6': 'Der Inhalt der Nachricht konnte nicht abgerufen werden.',
    '6.7': 'Die Adresse enthält Zeichen, mit denen ein Mailsystem auf dem Weg nicht umgehen kann.',
    '6.8': 'Ein Mailsystem auf dem Weg kann nicht mit den nötigen Zeichen antworten.',
    '6.9': 'Die Nachricht hat Adressen oder Kopfzeilen mit Zeichen, mit denen ein Mailsystem auf dem Weg nicht umgehen kann.',
    '6.10': 'Ein Mailsystem auf dem Weg kann nicht mit den nötigen Zeichen antworten.',
    '7.0': 'Die Nachricht wurde aus Sicherheitsgründen abgelehnt.',
    '7.1': 'Der Empfänger oder das Mailsystem dort nimmt diese Nachricht von Ihnen nicht an.',
    '7.2': 'Sie dürfen nicht an diese Mailingliste schreiben.',
    '7.3': 'Der Schutz der Nachricht müsste umgewandelt werden, was nicht möglich ist.',
    '7.4': 'Die Nachricht erfordert einen Schutz, den das Mailsystem dort nicht bietet.',
    '7.5': 'Der Schutz der Nachricht konnte nicht geprüft werden.',
    '7.6': 'Die Nachricht ist auf eine Weise geschützt, die das Mailsystem dort nicht kennt.',
    '7.7': 'Die Nachricht wurde unterwegs verändert.',
    '7.8': 'Die Anmeldung beim anderen Mailsystem ist fehlgeschlagen.',
    '7.9': 'Das andere Mailsystem verlangt eine sicherere Art der Anmeldung.',
    '7.10': 'Das andere Mailsystem verlangt eine verschlüsselte Verbindung.',
    '7.11': 'Das andere Mailsystem verlangt für diese Anmeldung eine verschlüsselte Verbindung.',
    '7.12': 'Das Passwort für das andere Mailsystem muss erneuert werden.',
    '7.13': 'Das Konto beim anderen Mailsystem ist abgeschaltet.',
    '7.14': 'Das andere Mailsystem muss unserem erst vertrauen.',
    '7.15': 'Die Priorität der Nachricht ist für das Mailsystem dort zu niedrig.',
    '7.16': 'Die Nachricht ist für ihre Priorität zu groß.',
    '7.17': 'Das Postfach hat einen neuen Inhaber, seit Sie zuletzt dorthin geschrieben haben.',
    '7.18': 'Die Domain der Adresse hat einen neuen Inhaber, seit Sie zuletzt dorthin geschrieben haben.',
    '7.19': 'Es konnte nicht geprüft werden, ob die Adresse noch derselben Person gehört.',
    '7.20': 'Der Nachricht fehlt eine gültige Signatur des Absenders (DKIM).',
    '7.21': 'Die Nachricht hat keine Signatur (DKIM), die dort anerkannt wird.',
    '7.22': 'Die Nachricht hat keine Signatur (DKIM), die zum Absender passt.',
    '7.23': 'Unser Server darf nach Auskunft Ihrer Domain keine Mail für sie senden (SPF).',
    '7.24': 'Es konnte nicht geprüft werden, welche Server Mail für Ihre Domain senden dürfen (SPF).',
    '7.25': 'Zur Adresse unseres Servers gibt es keinen passenden Namen (Reverse DNS).',
    '7.26': 'Die Nachricht hat mehrere Prüfungen ihrer Herkunft nicht bestanden.',
    '7.27': 'Die Domain Ihrer Absenderadresse gibt an, dass sie keine Mail empfängt.',
    '7.28': 'In kurzer Zeit kamen zu viele Nachrichten.',
    '7.29': 'Die Kette der Signaturen (ARC) der weitergeleiteten Nachricht ist unterbrochen.',
    '7.30': 'Die Nachricht muss auf dem ganzen Weg verschlüsselt werden (REQUIRETLS), und ein Mailsystem auf dem Weg kann das nicht.',
  },
  advice: {
    checkAddress:
      'Prüfen Sie die Adresse auf Tippfehler oder fragen Sie den Empfänger nach der richtigen, und senden Sie die Nachricht dann noch einmal.',
    askNewAddress: 'Fragen Sie den Empfänger auf anderem Weg nach der Adresse, die jetzt gilt.',
    tellRecipient:
      'Geben Sie dem Empfänger auf anderem Weg Bescheid, und senden Sie die Nachricht noch einmal, sobald das Postfach Mail annimmt.',
    tryLater: 'Senden Sie die Nachricht später noch einmal. Schlägt auch das fehl, bitten Sie um Hilfe.',
    sendSmaller: 'Senden Sie eine kleinere Nachricht, mit weniger oder kleineren Anhängen oder mit einem Link darauf.',
    sendSimpler: 'Senden Sie die Nachricht in einfacherer Form, als reinen Text oder ohne Anhänge.',
    fewerRecipients: 'Senden Sie die Nachricht an weniger Empfänger auf einmal.',
    plainAddress: 'Verwenden Sie für sich und den Empfänger Adressen aus einfachen Buchstaben (a bis z), sofern es welche gibt.',
    checkSender: 'Prüfen und berichtigen Sie die Absenderadresse in Ihrem Mailprogramm, und senden Sie die Nachricht noch einmal.',
    askTheirSide:
      'Wenden Sie sich an den Empfänger oder an die, die dort für Mail zuständig sind, und zeigen Sie ihnen die Antwort des Servers.',
    askOurSide: 'Sie selbst können daran nichts ändern: Zeigen Sie diese Nachricht denen, die für Ihre Mail zuständig sind.',
    none: '',
  },
  note(note) {
    switch (note.kind) {
      case 'too-large':
        return `Nur der Kopf der Nachricht wird zurückgegeben: Sie ist größer als ${note.limit} Bytes.`;
      case 'not-mail':
        return 'Nur der Kopf der Nachricht wird zurückgegeben: Die Nachricht enthält Zeilen, die in einer Mail nicht zulässig sind.';
      case 'header-too-large':
        return 'Der Kopf der Nachricht ist zu groß, um zurückgegeben zu werden.';
      case 'not-rfc822':
        return 'Nur der Kopf der Nachricht wird zurückgegeben: Er enthält weder Absender (From) noch Betreff (Subject) noch Datum (Date).';
      case 'cut':
        return 'Nur der Kopf der Nachricht wird zurückgegeben: Der Rest ist nicht mehr vollständig.';
      case 'eight-bit':
        return 'Nur der Kopf der Nachricht wird zurückgegeben: Der Mailserver dieser Adresse nimmt keine 8-Bit-Inhalte an.';
      case 'no-header':
        return 'Von der Nachricht wird nichts zurückgegeben: Sie hat keinen Kopf.';
      case 'gone':
        return 'Die Nachricht selbst ist nicht mehr vorhanden und kann nicht zurückgegeben werden.';
    }
  },
  help: (contact, id) => `Hilfe erhalten Sie unter ${contact}${id ? `; nennen Sie dabei bitte diese Nummer: ${id}` : ''}.`,
};
