import type { Wording } from './wording.ts';

const months = [
  'enero',
  'febrero',
  'marzo',
  'abril',
  'mayo',
  'junio',
  'julio',
  'agosto',
  'septiembre',
  'octubre',
  'noviembre',
  'diciembre',
];

export const es: Wording = {
  language: 'es',
  titles: {
    failed: 'No se pudo entregar su mensaje',
    partlyFailed: 'No se pudo entregar su mensaje a todos los destinatarios',
    delayed: 'Su mensaje se retrasa',
    relayed: 'Su mensaje fue transmitido',
    delivered: 'Su mensaje fue entregado',
  },
  date: ({ day, month, year, time }) => `${day} de ${months[month]} de ${year}, ${time} UTC`,
  intro: ({ host, date, subject }) =>
    `Este es un mensaje automático del sistema de correo ${host}. Se refiere a su mensaje${subject ? ` «${subject}»` : ''}${date ? ` del ${date}` : ''}.`,
  outcomes: {
    failed: 'No se pudo entregar su mensaje a:',
    expired: 'Se intentó entregar su mensaje repetidas veces hasta que se agotó el plazo. No se pudo entregar a:',
    delayed: 'Todavía no se ha podido entregar su mensaje a:',
    relayed: 'Su mensaje fue transmitido al sistema de correo de:',
    delivered: 'Su mensaje fue entregado a:',
  },
  said: (server) => (server ? `El servidor ${server} respondió:` : 'El servidor remoto respondió:'),
  noted: 'Nuestro sistema de correo anotó:',
  next: {
    failed: 'No se harán más intentos de entrega.',
    delayed: (until, isFailureTold) =>
      `No tiene que hacer nada ni volver a enviar el mensaje: se seguirá intentando la entrega${until ? ` hasta el ${until}` : ''}.` +
      (isFailureTold ? ' Si fracasa definitivamente, se le avisará.' : ''),
    relayed: 'Ese sistema no confirma las entregas, por lo que no habrá más avisos. Recibe este mensaje porque lo solicitó.',
    delivered: 'Recibe este mensaje porque lo solicitó.',
  },
  classes: {
    2: 'Todo ha ido bien.',
    4: 'Hubo un problema que puede ser pasajero.',
    5: 'El mensaje fue rechazado; la respuesta del servidor indica el motivo.',
  },
  reasons: {
    '1.0': 'Hay un problema con la dirección.',
    '1.1': 'No existe ningún buzón con esta dirección.',
    '1.2': 'No existe ningún sistema de correo para la parte de la dirección que sigue a la «@».',
    '1.3': 'La dirección no está bien escrita.',
    '1.4': 'La dirección corresponde a más de un buzón.',
    '1.5': 'La dirección es correcta.',
    '1.6': 'El destinatario cambió de dirección y no dejó una nueva.',
    '1.7': 'La dirección desde la que usted envía no está bien escrita.',
    '1.8': 'El dominio de su dirección de remitente no existe o no acepta correo.',
    '1.9': 'El mensaje fue transmitido a un sistema que no puede informar de lo que ocurra con él.',
    '1.10': 'El dominio de la dirección no recibe correo en absoluto.',
    '2.0': 'Hay un problema con el buzón.',
    '2.1': 'El buzón está desactivado o no acepta mensajes.',
    '2.2': 'El buzón está lleno.',
    '2.3': 'El mensaje es más grande de lo que este buzón admite.',
    '2.4': 'Hay un problema con la lista de correo de esta dirección.',
    '3.0': 'Hay un problema en el sistema de correo del destinatario.',
    '3.1': 'El sistema de correo del destinatario se ha quedado sin espacio.',
    '3.2': 'El sistema de correo del destinatario no acepta mensajes en este momento.',
    '3.3': 'El sistema de correo del destinatario no puede hacer lo que este mensaje requiere.',
    '3.4': 'El mensaje es más grande de lo que admite el sistema de correo del destinatario.',
    '3.5': 'El sistema de correo del destinatario no está bien configurado.',
    '3.6': 'Se cambió la prioridad del mensaje.',
    '4.0': 'Hay un problema de red en el camino hacia el sistema de correo del destinatario.',
    '4.1': 'El sistema de correo del destinatario no responde.',
    '4.2': 'Se interrumpió la conexión con el sistema de correo del destinatario.',
    '4.3': 'No se pudo averiguar la dirección del sistema de correo del destinatario.',
    '4.4': 'No se conoce ningún camino hacia el sistema de correo del destinatario.',
    '4.5': 'El sistema de correo del destinatario está sobrecargado.',
    '4.6': 'El mensaje daba vueltas entre sistemas de correo.',
    '4.7': 'No se pudo entregar el mensaje dentro del plazo permitido.',
    '5.0': 'Los sistemas de correo no se entendieron.',
    '5.1': 'Un sistema de correo recibió una orden que no permite.',
    '5.2': 'Un sistema de correo recibió una orden que no pudo leer.',
    '5.3': 'El mensaje tiene más destinatarios de los que el sistema de correo admite a la vez.',
    '5.4': 'Un sistema de correo recibió una orden con valores que no admite.',
    '5.5': 'Los sistemas de correo hablan versiones distintas de su lenguaje.',
    '5.6': 'La autenticación ante el otro sistema de correo era demasiado larga.',
    '6.0': 'Hay un problema con el contenido del mensaje.',
    '6.1': 'El contenido del mensaje es de un tipo que allí no se acepta.',
    '6.2': 'Habría que convertir el contenido, y eso no está permitido.',
    '6.3': 'Habría que convertir el contenido, y eso no es posible.',
    '6.4': 'El contenido solo podría convertirse con pérdidas.',
    '6.5': 'No se pudo convertir el contenido.',
    '6.6': 'No se pudo obtener el contenido del mensaje.',
    '6.7': 'La dirección contiene caracteres que un sistema de correo del camino no sabe tratar.',
    '6.8': 'Un sistema de correo del camino no puede responder con los caracteres necesarios.',
    '6.9': 'El mensaje tiene direcciones o encabezados con caracteres que un sistema de correo del camino no sabe tratar.',
    '6.10': 'Un sistema de correo del camino no puede responder con los caracteres necesarios.',
    '7.0': 'El mensaje fue rechazado por motivos de seguridad.',
    '7.1': 'El destinatario o su sistema de correo no acepta este mensaje suyo.',
    '7.2': 'Usted no puede escribir a esta lista de correo.',
    '7.3': 'Habría que convertir la protección del mensaje, y eso no es posible.',
    '7.4': 'El mensaje requiere una protección que el otro sistema de correo no ofrece.',
    '7.5': 'No se pudo comprobar la protección del mensaje.',
    '7.6': 'El mensaje está protegido de un modo que el otro sistema de correo no conoce.',
    '7.7': 'El mensaje fue modificado en el camino.',
    '7.8': 'Falló la autenticación ante el otro sistema de correo.',
    '7.9': 'El otro sistema de correo exige una autenticación más segura.',
    '7.10': 'El otro sistema de correo exige una conexión cifrada.',
    '7.11': 'El otro sistema de correo exige una conexión cifrada para esta autenticación.',
    '7.12': 'Hay que renovar la contraseña para el otro sistema de correo.',
    '7.13': 'La cuenta en el otro sistema de correo está desactivada.',
    '7.14': 'El otro sistema de correo tiene que confiar antes en el nuestro.',
    '7.15': 'La prioridad del mensaje es demasiado baja para el otro sistema de correo.',
    '7.16': 'El mensaje es demasiado grande para su prioridad.',
    '7.17': 'El buzón ha cambiado de dueño desde la última vez que usted le escribió.',
    '7.18': 'El dominio de la dirección ha cambiado de dueño desde la última vez que usted le escribió.',
    '7.19': 'No se pudo comprobar si la dirección sigue perteneciendo a la misma persona.',
    '7.20': 'Al mensaje le falta una firma válida del remitente (DKIM).',
    '7.21': 'El mensaje no tiene ninguna firma (DKIM) que allí se acepte.',
    '7.22': 'El mensaje no tiene ninguna firma (DKIM) que corresponda al remitente.',
    '7.23': 'Según su dominio, nuestro servidor no puede enviar correo en su nombre (SPF).',
    '7.24': 'No se pudo comprobar qué servidores pueden enviar correo para su dominio (SPF).',
    '7.25': 'La dirección de nuestro servidor no tiene un nombre adecuado (DNS inverso).',
    '7.26': 'El mensaje no superó varias comprobaciones de su procedencia.',
    '7.27': 'El dominio de su dirección de remitente declara que no recibe correo.',
    '7.28': 'Llegaron demasiados mensajes en poco tiempo.',
    '7.29': 'La cadena de firmas (ARC) del mensaje reenviado está rota.',
    '7.30': 'El mensaje tiene que ir cifrado durante todo el camino (REQUIRETLS), y un sistema de correo del camino no puede hacerlo.',
  },
  advice: {
    checkAddress:
      'Compruebe que la dirección no tenga errores de escritura, o pida la correcta al destinatario, y vuelva a enviar el mensaje.',
    askNewAddress: 'Pregunte al destinatario por otro medio qué dirección debe usar ahora.',
    tellRecipient: 'Avise al destinatario por otro medio y vuelva a enviar el mensaje cuando el buzón admita correo.',
    tryLater: 'Vuelva a enviar el mensaje más tarde. Si falla de nuevo, pida ayuda.',
    sendSmaller: 'Envíe un mensaje más pequeño, con menos archivos adjuntos, más pequeños o con un enlace a ellos.',
    sendSimpler: 'Envíe el mensaje de una forma más sencilla, como texto sin formato o sin archivos adjuntos.',
    fewerRecipients: 'Envíe el mensaje a menos destinatarios a la vez.',
    plainAddress: 'Use para usted y para el destinatario direcciones de letras sencillas (de la a a la z), si las hay.',
    checkSender: 'Compruebe y corrija la dirección de remitente en su programa de correo, y vuelva a enviar el mensaje.',
    askTheirSide: 'Diríjase al destinatario o a quienes se encargan del correo allí, y muéstreles la respuesta del servidor.',
    askOurSide: 'Usted no puede remediarlo: muestre este mensaje a quienes se encargan de su correo.',
    none: '',
  },
  note(note) {
    switch (note.kind) {
      case 'too-large':
        return `Solo se devuelve el encabezado del mensaje: ocupa más de ${note.limit} bytes.`;
      case 'not-mail':
        return 'Solo se devuelve el encabezado del mensaje: sus líneas no son las de un correo.';
      case 'header-too-large':
        return 'El encabezado del mensaje es demasiado grande para devolverlo.';
      case 'not-rfc822':
        return 'Solo se devuelve el encabezado del mensaje: no contiene From, Subject ni Date.';
      case 'cut':
        return 'Solo se devuelve el encabezado del mensaje: el resto ya no está completo.';
      case 'eight-bit':
        return 'Solo se devuelve el encabezado del mensaje: el servidor de correo de esta dirección no acepta contenido de 8 bits.';
      case 'no-header':
        return 'No se devuelve nada del mensaje: no tiene encabezado.';
      case 'gone':
        return 'El mensaje en sí ya no está disponible y no se puede devolver.';
    }
  },
  help: (contact, id) => `Si necesita ayuda, escriba a ${contact}${id ? ` e indique este número: ${id}` : ''}.`,
};
